// Part 3 of 5: the charts of the last five minutes.

// The colours of the picture's lines mean the same here; what is about neither target has no colour.

const CHARTS = [
  { title: 'Statements per second', series: [['primary', 'to the primary'], ['replica', 'to replicas']], looks: ['write', 'read'], show: rate },
  { title: 'Time of a statement', series: [['p50_us', '', 'half within'], ['p95_us', '', '95 % within']], show: micros },
  { title: 'Clients', series: [['clients', '']], show: number },
  { title: 'Statements waiting now', series: [['waiting', '']], show: number },
  { title: 'Bytes per second', series: [['bytes_in', 'from clients'], ['bytes_out', 'to clients']], show: bytes },
  { title: 'Errors of the proxy per second', series: [['errors', '']], show: rate },
];
const WIDTH = 300;
const HEIGHT = 80;
let pointed = null;

const look = (chart, at) => (chart.looks || ['first', 'second'])[at];

function makeCharts() {
  for (const chart of CHARTS) {
    chart.values = chart.series.map((_, at) => el('span', { class: look(chart, at) }));
    chart.picture = svg('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
    chart.top = el('span');
    const caption = el('figcaption', {}, el('b', {}, chart.title), ...chart.values);
    $('charts').append(el('figure', {}, caption, chart.picture, el('div', { class: 'scale', 'aria-hidden': 'true' }, el('span', {}, '5 min ago'), chart.top, el('span', {}, 'now'))));
    chart.picture.addEventListener('pointermove', (event) => {
      const box = chart.picture.getBoundingClientRect();
      pointed = (event.clientX - box.left) / box.width;
      showCharts();
    });
    chart.picture.addEventListener('pointerleave', () => {
      pointed = null;
      showCharts();
    });
  }
}

function showCharts() {
  const { points } = shown;
  if (!points.length) return;
  const end = points[points.length - 1].at_ms;
  const x = (ms) => WIDTH - ((end - ms) / 300000) * WIDTH;
  let focus = points[points.length - 1];
  if (pointed !== null) {
    const distance = (point) => Math.abs(x(point.at_ms) - pointed * WIDTH);
    focus = points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
  }
  text($('moment'), pointed === null ? 'The last five minutes. A vertical line is a change of the primary.' : `At ${clock(focus.at_ms)}`);
  const changes = shown.now ? shown.now.report.history.filter((change) => x(change.at_ms) > 0) : [];
  for (const chart of CHARTS) {
    const most = Math.max(...chart.series.flatMap(([key]) => points.map((point) => point[key] || 0)));
    const top = most || 1;
    const paths = chart.series.map(([key], at) => ({
      kind: look(chart, at),
      d: lineOf(points, key, x, (value) => HEIGHT - 2 - (value / top) * (HEIGHT - 6)),
    }));
    for (const change of changes) paths.push({ kind: 'mark', d: `M${x(change.at_ms).toFixed(1)} 0V${HEIGHT}` });
    if (pointed !== null) paths.push({ kind: 'cursor', d: `M${x(focus.at_ms).toFixed(1)} 0V${HEIGHT}` });
    keyed(chart.picture, paths, (_, at) => at, () => svg('path'), (node, path) => {
      attribute(node, 'class', path.kind);
      attribute(node, 'd', path.d);
    });
    const values = chart.series.map(([key, after, before = '']) => `${before} ${chart.show(focus[key])} ${after}`.trim());
    chart.values.forEach((node, at) => text(node, values[at]));
    text(chart.top, `highest ${chart.show(most)}`);
    attribute(chart.picture, 'aria-label', `${chart.title}: ${values.join(', ')}; highest of five minutes ${chart.show(most)}`);
  }
}

// A gap where a value is missing.
function lineOf(points, key, x, y) {
  let d = '';
  let draws = false;
  for (const point of points) {
    const value = point[key];
    if (value === null) draws = false;
    else {
      d += `${draws ? 'L' : 'M'}${x(point.at_ms).toFixed(1)} ${y(value).toFixed(1)}`;
      draws = true;
    }
  }
  return d;
}
