// Axes on a canvas, for the few curves and points that panels draw.

export const COLOURS = { blue: "#0072b2", orange: "#d55e00", green: "#009e73", grey: "#777777" };
const MARGIN = { left: 44, right: 12, top: 24, bottom: 30 };
const FONT = "13px system-ui, sans-serif";

/** Axes with a title and the ends of their ranges; draws lines and marks in data units. */
export class Axes {
  constructor(canvas, width, height, { x, y, title }) {
    const dense = globalThis.devicePixelRatio || 1;
    canvas.width = width * dense;
    canvas.height = height * dense;
    this.context = canvas.getContext("2d");
    this.context.scale(dense, dense);
    Object.assign(this, { width, height, x, y });
    const pen = this.context;
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, width, height);
    pen.font = FONT;
    pen.fillStyle = "#333333";
    pen.textAlign = "center";
    pen.fillText(title, width / 2, 16);
    pen.strokeStyle = "#999999";
    const [left, top] = this.at(x[0], y[1]);
    const [right, bottom] = this.at(x[1], y[0]);
    pen.strokeRect(left, top, right - left, bottom - top);
    pen.fillText(String(x[0]), left, height - 10);
    pen.fillText(String(x[1]), right - 8, height - 10);
    pen.textAlign = "right";
    pen.fillText(String(y[0]), left - 6, bottom);
    pen.fillText(String(y[1]), left - 6, top + 10);
  }

  /** Pixels of a point in data units. */
  at(x, y) {
    const across = (x - this.x[0]) / (this.x[1] - this.x[0]);
    const up = (y - this.y[0]) / (this.y[1] - this.y[0]);
    return [
      MARGIN.left + across * (this.width - MARGIN.left - MARGIN.right),
      this.height - MARGIN.bottom - up * (this.height - MARGIN.top - MARGIN.bottom),
    ];
  }

  line(ys, colour, name) {
    const pen = this.context;
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.beginPath();
    for (const [i, value] of ys.entries()) {
      const inside = Math.min(this.y[1], Math.max(this.y[0], value));
      pen.lineTo(...this.at(this.x[0] + ((this.x[1] - this.x[0]) * i) / (ys.length - 1), inside));
    }
    pen.stroke();
    pen.lineWidth = 1;
    this.legend(colour, name);
  }

  /** The names of the lines, below the title, one after the other. */
  legend(colour, name) {
    if (!name) return;
    this.names = (this.names ?? 0) + 1;
    this.context.fillStyle = colour;
    this.context.textAlign = "left";
    this.context.fillText(name, MARGIN.left + 8 + (this.names - 1) * 70, MARGIN.top + 15);
  }

  upright(x, colour) {
    this.segment([x, this.y[0]], [x, this.y[1]], colour);
  }

  segment(from, to, colour) {
    const pen = this.context;
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.moveTo(...this.at(...from));
    pen.lineTo(...this.at(...to));
    pen.stroke();
  }

  /** Points `[x, y, x, y, …]`. */
  points(values, colour, radius = 1.5) {
    const pen = this.context;
    pen.fillStyle = colour;
    for (let i = 0; i < values.length; i += 2) {
      const [left, top] = this.at(values[i], values[i + 1]);
      pen.fillRect(left - radius, top - radius, 2 * radius, 2 * radius);
    }
  }
}
