// The report: draws the curve.
import { Curve } from "./curve.js";

new Curve(document.querySelector(".curve")).reload();
