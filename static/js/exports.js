// The exports of a project, or a deletion: how far each is.
import { keepLive } from "./live.js";

keepLive(document.getElementById("live"));
