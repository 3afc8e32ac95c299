const longestShortName = 51

/**
 * A CA's name as it can stand in file names and URLs: every character that is not a letter, a digit or one of a few
 * harmless signs becomes `!` and four hexadecimal digits of its UTF-16 code (MS-WCCE 3.1.1.4.1.1).
 */
export function sanitizeCaName(name: string): string {
  return Array.from({ length: name.length }, (_, index) => sanitizeUnit(name.charAt(index))).join('')
}

function sanitizeUnit(unit: string): string {
  return /^[A-Za-z0-9 $.\-_~@]$/.test(unit) ? unit : `!${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/**
 * The sanitized name cut to 51 characters, with a hash of what was cut off: `-` and five decimal digits of a 16-bit
 * rotate-and-add checksum (MS-WCCE 3.1.1.4.1.1). A name that is short enough stays as it is. An escape is never cut.
 */
export function shortSanitizedCaName(name: string): string {
  const sanitized = sanitizeCaName(name)
  if (sanitized.length <= longestShortName) return sanitized
  const escape = sanitized.slice(0, longestShortName).search(/![0-9a-f]{0,3}$/)
  const length = escape === -1 ? longestShortName : escape
  let hash = 0
  for (const unit of sanitized.slice(length)) {
    const rotated = ((hash << 1) | (hash >>> 15)) & 0xffff
    hash = (rotated + unit.charCodeAt(0)) & 0xffff
  }
  return `${sanitized.slice(0, length)}-${String(hash).padStart(5, '0')}`
}
