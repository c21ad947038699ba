// The page's script, part 1 of 5 (see assets.rs): elements and numbers. Everything that comes from the proxy is put into
// text nodes and attributes of known names, never into HTML: names of servers, accounts and tables may be hostile.
'use strict';

const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

// ---- Elements -------------------------------------------------------------------------------------------------------

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  return node;
}

// Changes only what differs: a selection or a screen reader must not lose its place each second.
function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

function attribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Makes the children of `parent` match `items`: children of known keys stay, with their focus and their open details.
function keyed(parent, items, key, make, update) {
  const old = new Map();
  const used = new Set();
  for (const child of parent.children) old.set(child.pointsmanKey, child);
  let at = parent.firstElementChild;
  items.forEach((item, index) => {
    let name = key(item, index);
    while (used.has(name)) name += '+';
    used.add(name);
    let child = old.get(name);
    if (child) old.delete(name);
    else {
      child = make(item);
      child.pointsmanKey = name;
    }
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
    update(child, item);
  });
  for (const child of old.values()) child.remove();
}

function cells(count) {
  const row = el('tr', { role: 'row' });
  for (let at = 0; at < count; at++) row.append(el('td', { role: 'cell' }));
  return row;
}

// ---- Numbers --------------------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat('en');
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const number = (n) => whole.format(Math.round(n));
const rate = (n) => (n > 0 && n < 10 ? tenth.format(n) : number(n));

function micros(us) {
  if (us === null || us === undefined) return '–';
  if (us < 1000) return number(us) + ' µs';
  if (us < 1e6) return tenth.format(us / 1000) + ' ms';
  return seconds(us / 1e6);
}

function seconds(s) {
  if (s < 120) return tenth.format(s) + ' s';
  if (s < 7200) return number(s / 60) + ' min';
  if (s < 172800) return number(s / 3600) + ' h';
  return number(s / 86400) + ' days';
}

function bytes(n) {
  if (n < 1000) return number(n) + ' B';
  if (n < 1e6) return tenth.format(n / 1e3) + ' kB';
  if (n < 1e9) return tenth.format(n / 1e6) + ' MB';
  return tenth.format(n / 1e9) + ' GB';
}

const plural = (n, one, many) => number(n) + ' ' + (n === 1 ? one : many);
// Without tenths: it changes each second.
const age = (s) => (s < 120 ? number(s) + ' s' : seconds(s));
// With the date, if the time is of another day than the newest data.
const clock = (ms) => {
  const at = new Date(ms);
  return at.toDateString() === new Date(shown.at).toDateString() ? at.toLocaleTimeString() : at.toLocaleString();
};
const ago = (ms) => age(Math.max(0, (shown.at - ms) / 1000)) + ' ago';
