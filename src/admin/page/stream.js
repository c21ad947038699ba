// Part 5 of 5: what was read from /events, the connection, and the start of the page.

// ---- What was read --------------------------------------------------------------------------------------------------

const shown = { at: Date.now(), now: null, before: null, points: [], digests: null, sort: 'sum_us', writer: undefined };

const handlers = {
  past(points) {
    shown.points = points;
  },
  now(now) {
    shown.before = shown.now;
    shown.now = now;
    const newest = shown.points[shown.points.length - 1];
    // The newest point of `past` comes again. A point may be older than the one before it: the proxy's clock was set back.
    if (now.point && (!newest || now.point.at_ms !== newest.at_ms)) shown.points.push(now.point);
    shown.points.splice(0, shown.points.length - 300);
    // Ages are counted by the proxy's clock, as far as it is known: the clock of the viewer may differ.
    shown.at = now.point ? now.point.at_ms : Date.now();
    showNow();
  },
  digests(digests) {
    shown.digests = digests;
    showDigests();
  },
  config(config) {
    text($('settings'), config.text);
  },
};

function showNow() {
  showHeader();
  showAlarms();
  showServers();
  showCharts();
  showReasons();
  showPins();
  showChanges();
}

// ---- The connection -------------------------------------------------------------------------------------------------

// The longest silence: the proxy sends something each second.
const SILENCE_MS = 8000;
// A tab that nobody sees reads on for this long.
const HIDDEN_MS = 30000;
let token = stored(sessionStorage, 'pointsman-token') || '';
let reading = null;
let tries = 0;

function stored(storage, key, value) {
  try {
    if (value === undefined) return storage.getItem(key);
    storage.setItem(key, value);
  } catch {
    // The browser has its storage turned off.
  }
  return null;
}

const authorized = () => (token ? { Authorization: `Bearer ${token}` } : {});

function link(state, words) {
  attribute($('link'), 'data-state', state);
  text($('link'), words);
}

// A fetch and not an EventSource, which cannot send a token.
async function follow() {
  const own = new AbortController();
  reading = own;
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => own.abort(), SILENCE_MS);
  };
  try {
    heard();
    const answer = await fetch('events', { headers: authorized(), cache: 'no-store', signal: own.signal });
    if (answer.status === 401) {
      clearTimeout(silence);
      if (reading === own) askToken();
      return;
    }
    if (!answer.ok) throw new Error(await answer.text());
    $('login').hidden = true;
    await parts(answer.body.pipeThrough(new TextDecoderStream()).getReader(), heard);
  } catch (error) {
    if (!own.signal.aborted) console.info('events ended:', String(error));
  }
  clearTimeout(silence);
  if (reading !== own) return;
  reading = null;
  if (document.hidden) return;
  link('lost', 'no answer; asking again …');
  tries += 1;
  setTimeout(() => reading || follow(), Math.min(500 * tries, 5000));
}

async function parts(reader, heard) {
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) || [];
      // An event that one part of the page cannot show must not hide the others.
      try {
        if (Object.hasOwn(handlers, name)) handlers[name](JSON.parse(data));
      } catch (error) {
        console.error(error);
      }
    }
    tries = 0;
    link('live', 'live');
  }
}

function askToken() {
  reading = null;
  link('lost', 'a token is needed');
  if (token) text($('login-why'), 'The proxy does not accept this token.');
  token = '';
  $('login').hidden = false;
  $('token').focus();
}

function login(event) {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  stored(sessionStorage, 'pointsman-token', token);
  link('wait', 'connecting …');
  // The form may be sent twice.
  if (reading) reading.abort();
  follow();
}

let leaving;
function visible() {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(() => reading && reading.abort(), HIDDEN_MS);
  else if (!reading && $('login').hidden) follow();
}

// ---- Start ----------------------------------------------------------------------------------------------------------

const THEMES = ['system', 'light', 'dark'];

function theme(name) {
  attribute(document.documentElement, 'data-theme', name === 'system' ? null : name);
  text($('theme'), `Theme: ${name}`);
  $('theme').onclick = () => {
    const next = THEMES[(THEMES.indexOf(name) + 1) % THEMES.length];
    stored(localStorage, 'pointsman-theme', next);
    theme(next);
  };
}

function sortBy(header) {
  for (const other of document.querySelectorAll('#digests th[data-sort]')) attribute(other, 'aria-sort', other === header ? 'descending' : null);
  shown.sort = header.getAttribute('data-sort');
  showDigests();
}

function start() {
  const chosen = stored(localStorage, 'pointsman-theme');
  theme(THEMES.includes(chosen) ? chosen : 'system');
  makeCharts();
  for (const header of document.querySelectorAll('#digests th[data-sort]')) header.firstElementChild.addEventListener('click', () => sortBy(header));
  $('filter').addEventListener('input', showDigests);
  $('ask').addEventListener('submit', explain);
  $('sql').addEventListener('keydown', (event) => (event.ctrlKey || event.metaKey) && event.key === 'Enter' && explain(event));
  $('login').addEventListener('submit', login);
  document.addEventListener('visibilitychange', visible);
  new ResizeObserver(drawLines).observe(document.querySelector('.map'));
  follow();
  // The tab may be hidden from the beginning, without an event that says so.
  visible();
}

start();
