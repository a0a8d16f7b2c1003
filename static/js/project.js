// The overview of a project: swaps in what changed, and keeps the curve up to date.
import { Curve } from "./curve.js";
import { keepLive } from "./live.js";

const curve = new Curve(document.querySelector(".curve"));
const follow = () => keepLive(document.getElementById("live"), () => curve.reload());

curve.reload().then(follow, follow);
