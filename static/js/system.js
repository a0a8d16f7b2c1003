// The system page, as it is now.
import { keepLive } from "./live.js";

keepLive(document.getElementById("live"));
