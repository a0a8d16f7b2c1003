// The model page: its charts, and what changes while a stage runs.
import { keepLive } from "../live.js";
import { Calibration } from "./calibration.js";
import { Scores } from "./scores.js";
import { Training } from "./training.js";
import { followUpload } from "./upload.js";

const live = document.getElementById("live");
const version = () => document.getElementById("standing")?.dataset.version;
const shown = version();
const training = new Training(document.getElementById("training"));
const scores = document.getElementById("scores");
const calibration = document.getElementById("calibration");
const upload = document.getElementById("offer-form");

async function changed() {
  document.getElementById("stale").hidden = version() === shown;
  await training.reload();
}

if (scores.querySelector(".plot")) new Scores(scores).reload();
if (calibration.querySelector("#k-pa")) new Calibration(calibration).load();
if (upload) followUpload(upload, document.getElementById("uploading"));
const follow = () => keepLive(live, changed);
training.reload().then(follow, follow);
