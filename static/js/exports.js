// The exports of a project: how far each is.
import { keepLive } from "./live.js";

keepLive(document.getElementById("live"));
