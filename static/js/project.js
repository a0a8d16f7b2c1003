// The overview of a project: swaps in what changed, and keeps its charts up to date.
import { Curve } from "./curve.js";
import { keepLive } from "./live.js";
import { Progress } from "./progress.js";

const charts = [new Curve(document.getElementById("curve")), new Progress(document.getElementById("progress"))];
const reload = () => Promise.all(charts.map((chart) => chart.reload()));
const follow = () => keepLive(document.getElementById("live"), reload);

reload().then(follow, follow);
