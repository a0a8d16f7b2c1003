// Numbers and times in the language and the time zone of the page. What is not known is a dash.
const { lang, dataset } = document.documentElement;
// English of no country: a day before its month and 24 hours, as the site itself writes them.
const language = lang === "en" ? "en-GB" : lang;
const DAY = 24 * 60 * 60;

const known = (format) => (value) => (value == null ? "–" : format(value));
const numbers = (options) => known(new Intl.NumberFormat(language, options).format);

function times(options) {
  const { format } = new Intl.DateTimeFormat(language, { timeZone: dataset.zone, ...options });
  return known((seconds) => format(1000 * seconds));
}

export const whole = numbers({ maximumFractionDigits: 0 });
export const tenths = numbers({ maximumFractionDigits: 1 });
export const short = numbers({ maximumFractionDigits: 2 });
export const fine = numbers({ maximumFractionDigits: 3 });
export const hundredths = numbers({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
export const percent = known((share) => `${tenths(100 * share)}\u00a0%`);
export const between = (low, high, format) => `${format(low)} – ${format(high)}`;
export const when = times({ dateStyle: "medium", timeStyle: "short" });

const date = times({ day: "numeric", month: "short" });
const NAMES = [
  [365 * DAY, times({ year: "numeric" })],
  [28 * DAY, times({ month: "short", year: "numeric" })],
  [DAY, date],
  [60, times({ timeStyle: "short" })],
  [0, times({ timeStyle: "medium" })],
];

// Moments that are `step` apart, all in seconds -> the names of an axis' ticks; times of day with the date below the
// first of each day.
export function ticks(moments, step) {
  const [, name] = NAMES.find(([least]) => step >= least);
  if (step >= DAY) return moments.map(name);
  return moments.map((at, i) => (i && date(at) === date(moments[i - 1]) ? name(at) : `${name(at)}\n${date(at)}`));
}
