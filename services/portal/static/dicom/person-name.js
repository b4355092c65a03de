// Names of people as headers write them (PS3.5 6.2.1): five parts, up to three writings.

/** "GARCIA^MARIA^^Dra." as "GARCIA, MARIA"; the first writing that is there. Empty for none. */
export function personName(value) {
  const written = (value ?? '').split('=').find((part) => part.replaceAll('^', '').trim() !== '') ?? '';
  const [family, given, middle, prefix, suffix] = written.split('^').map((part) => part.trim());
  const first = [prefix, given, middle].filter(Boolean).join(' ');
  return [family, first, suffix].filter(Boolean).join(', ');
}
