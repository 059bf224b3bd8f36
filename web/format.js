// Numbers and names as people read them. Money is decimal text and stays exact.

const language = navigator.language || 'en';

export function formatter(currency) {
  const money = new Intl.NumberFormat(language, { style: 'currency', currency });
  const short = new Intl.NumberFormat(language, { notation: 'compact', maximumFractionDigits: 1 });
  const plain = new Intl.NumberFormat(language, { maximumFractionDigits: 6 });
  const percent = new Intl.NumberFormat(language, { style: 'percent', minimumFractionDigits: 1 });
  const full = (value, form) => {
    if (value === null || value === undefined) return '–';
    if (form === 'money') return money.format(value);
    return form === 'percent' ? percent.format(value / 100) : plain.format(value);
  };
  // Of an axis: may be rounded.
  const brief = (value, form) => (form === 'percent' ? `${plain.format(value)} %` : short.format(value));
  return { full, brief };
}

const countries = new Intl.DisplayNames([language, 'en'], { type: 'region', fallback: 'code' });
const languages = new Intl.DisplayNames([language, 'en'], { type: 'language', fallback: 'code' });

export function label(dimension, value) {
  try {
    if (dimension === 'visit:country' && /^[A-Z]{2}$/.test(value)) return countries.of(value);
    if (dimension === 'visit:language' && /^[a-z]{2,3}(-|$)/.test(value)) return languages.of(value);
  } catch {
    // No such tag: as it is.
  }
  return value;
}

// A bucket's label, which is a wall clock of the merchant's zone.
export function bucket(text) {
  const at = new Date(`${text.replace(' ', 'T')}${text.length > 10 ? 'Z' : 'T00:00:00Z'}`);
  if (Number.isNaN(at.getTime())) return text;
  const form = text.length > 10 ? { hour: '2-digit', minute: '2-digit', day: 'numeric', month: 'short' }
                                : { day: 'numeric', month: 'short', year: 'numeric' };
  return new Intl.DateTimeFormat(language, { ...form, timeZone: 'UTC' }).format(at);
}

export const change = (percent) => (percent > 0 ? `+${percent} %` : `${percent} %`);
export const time = (text) => new Date(text).toLocaleTimeString(language);
