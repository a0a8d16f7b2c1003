// A map of counts, drawn cell by cell: the brighter the more.
import { colour } from "../colours.js";

export function drawHeat(canvas, cells) {
  const context = canvas.getContext("2d");
  const most = Math.max(1, ...cells.flat());
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = colour("--accent");
  for (const [y, row] of cells.entries()) {
    for (const [x, n] of row.entries()) {
      context.globalAlpha = Math.sqrt(n / most);
      context.fillRect(x, y, 1, 1);
    }
  }
}
