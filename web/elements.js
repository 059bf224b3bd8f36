// Makes elements. Texts of events are only ever texts here, never markup.

export const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false)
      node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

export const make = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);
export const draw = (name, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

// Replaces what is in `node`. What had the keyboard and is there again, by its data-name, has it again.
export function renew(node, ...children) {
  const name = node.contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
  node.replaceChildren(...children);
  if (name === undefined) return;
  const again = [...node.querySelectorAll('[data-name]')].find((e) => e.dataset.name === name);
  (again ?? byId('main')).focus();
}

export function options(select, list, chosen) {
  select.replaceChildren(...list.map(([value, text]) => make('option', { value }, text)));
  select.value = chosen;
}
