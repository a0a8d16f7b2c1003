// A webhook: its secret can be copied, its deliveries are kept as they are.
import "./copy.js";
import { keepLive } from "./live.js";

keepLive(document.getElementById("live"));
