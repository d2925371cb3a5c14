// Language tags: https://www.rfc-editor.org/rfc/rfc5646 (BCP 47). Intl knows the registry's names of languages, scripts and
// regions; a subtag without a name is not registered, private use excepted.

const TAG_CHARACTERS_MAX = 100;

let names: { language: Intl.DisplayNames; script: Intl.DisplayNames; region: Intl.DisplayNames } | undefined;

function englishNames() {
  const of = (type: 'language' | 'script' | 'region') => new Intl.DisplayNames('en', { type, fallback: 'none' });
  names ??= { language: of('language'), script: of('script'), region: of('region') };
  return names;
}

function nameOf(of: Intl.DisplayNames, subtag: string): string | undefined {
  try {
    return of.of(subtag);
  } catch {
    return undefined;
  }
}

/** Codes of ISO 639 for private use, and whole tags of it: nobody registers a name for them. */
const isPrivate = (language: string): boolean => /^q[a-t][a-z]$/.test(language);

/**
 * `German (Switzerland)` of `de-CH`; undefined for what is no tag, or has a language, script or region that is not
 * registered. Old tags that were registered as a whole (`i-klingon`) count as what replaced them.
 */
export function languageName(tag: string): string | undefined {
  if (tag.length > TAG_CHARACTERS_MAX || !/^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/.test(tag)) return undefined;
  if (/^x-/i.test(tag)) return tag.split('-').every((part) => part.length <= 8) ? tag : undefined;
  let locale: Intl.Locale;
  try {
    locale = new Intl.Locale(tag);
  } catch {
    return undefined;
  }
  const { language, script, region } = englishNames();
  const main = nameOf(language, locale.language) ?? (isPrivate(locale.language) ? locale.language : undefined);
  if (main === undefined) return undefined;
  const parts = [
    ...(locale.script === undefined ? [] : [nameOf(script, locale.script)]),
    ...(locale.region === undefined ? [] : [nameOf(region, locale.region)]),
  ];
  if (parts.includes(undefined)) return undefined;
  return parts.length === 0 ? main : `${main} (${parts.join(', ')})`;
}
