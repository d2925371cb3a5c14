// Text in XML 1.0: https://www.w3.org/TR/xml/#charsets, #AVNormalize

/** What an attribute value in double quotes can't hold as it is; surrogates are looked at only where there are some. */
const special = /[&<>"\u0000-\u001f\ud800-\udfff\ufffe\uffff]/;
const replaceable = /[&<>"\u0000-\u001f\ufffe\uffff]/g;

const references: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  // As they are, a reader would make spaces of them.
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** For between double quotes. What XML has no way to say (control characters, lone surrogates) becomes U+FFFD. */
export function escapeAttribute(text: string): string {
  if (!special.test(text)) return text;
  return text.toWellFormed().replace(replaceable, (character) => references[character] ?? '\ufffd');
}

/** For between tags: the characters that markup is made of. */
export function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replace(
      /[&<>\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g,
      (character) => references[character] ?? '\ufffd',
    );
}
