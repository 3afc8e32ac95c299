import { AppError, DISPOSITIONS } from '@app/core'

/** What a caller announces when it submits a request: encoding, format and wishes (certcli.h, CR_IN_*). */
export const CR_IN = {
  CR_IN_BASE64HEADER: 0x0,
  CR_IN_BASE64: 0x1,
  CR_IN_BINARY: 0x2,
  CR_IN_ENCODEANY: 0xff,
  CR_IN_ENCODEMASK: 0xff,

  CR_IN_FORMATANY: 0x0,
  CR_IN_PKCS10: 0x100,
  CR_IN_KEYGEN: 0x200,
  CR_IN_PKCS7: 0x300,
  CR_IN_CMC: 0x400,
  CR_IN_CHALLENGERESPONSE: 0x500,
  CR_IN_SIGNEDCERTIFICATETIMESTAMPLIST: 0x600,
  CR_IN_FORMATMASK: 0xff00,

  CR_IN_SCEP: 0x10000,
  CR_IN_RPC: 0x20000,
  CR_IN_HTTP: 0x30000,
  CR_IN_FULLRESPONSE: 0x40000,
  CR_IN_CRLS: 0x80000,
  CR_IN_MACHINE: 0x100000,
  CR_IN_ROBO: 0x200000,
  CR_IN_CLIENTIDNONE: 0x400000,
  CR_IN_CONNECTONLY: 0x800000,
  CR_IN_RETURNCHALLENGE: 0x1000000,
  CR_IN_SCEPPOST: 0x2000000,
  CR_IN_CERTIFICATETRANSPARENCY: 0x4000000,
  CR_IN_PRESIGN: 0x8000000
} as const

/** In which encoding and with which companions a caller wants an answer (certcli.h, CR_OUT_*). */
export const CR_OUT = {
  CR_OUT_BASE64HEADER: 0x0,
  CR_OUT_BASE64: 0x1,
  CR_OUT_BINARY: 0x2,
  CR_OUT_BASE64REQUESTHEADER: 0x3,
  CR_OUT_HEX: 0x4,
  CR_OUT_HEXASCII: 0x5,
  CR_OUT_BASE64X509CRLHEADER: 0x9,
  CR_OUT_HEXADDR: 0xa,
  CR_OUT_HEXASCIIADDR: 0xb,
  CR_OUT_HEXRAW: 0xc,
  CR_OUT_ENCODEMASK: 0xff,
  CR_OUT_CHAIN: 0x100,
  CR_OUT_CRLS: 0x200,
  CR_OUT_NOCRLF: 0x40000000,
  CR_OUT_NOCR: 0x80000000
} as const

/** Flags of GetErrorMessageText (certcli.h, CR_GEMT_*). */
export const CR_GEMT = { CR_GEMT_DEFAULT: 0, CR_GEMT_HRESULT_STRING: 1, CR_GEMT_HTTP_ERROR: 2 } as const

/** Types of a property (certsrv.h, PROPTYPE_*). */
export const PROPTYPE = {
  PROPTYPE_LONG: 1,
  PROPTYPE_DATE: 2,
  PROPTYPE_BINARY: 3,
  PROPTYPE_STRING: 4,
  PROPTYPE_MASK: 0xff
} as const

/** What became of a request (certcli.h, CR_DISP_*); the numbers are those of `DISPOSITIONS` in @app/core. */
export const CR_DISP = {
  CR_DISP_INCOMPLETE: DISPOSITIONS.incomplete,
  CR_DISP_ERROR: DISPOSITIONS.error,
  CR_DISP_DENIED: DISPOSITIONS.denied,
  CR_DISP_ISSUED: DISPOSITIONS.issued,
  CR_DISP_ISSUED_OUT_OF_BAND: DISPOSITIONS.issued_out_of_band,
  CR_DISP_UNDER_SUBMISSION: DISPOSITIONS.under_submission,
  CR_DISP_REVOKED: DISPOSITIONS.revoked
} as const

/** Facts of a request's row (certsrv.h, CR_FLG_*). */
export const CR_FLG = {
  CR_FLG_FORCETELETEX: 0x1,
  CR_FLG_RENEWAL: 0x2,
  CR_FLG_FORCEUTF8: 0x4,
  CR_FLG_CAXCHGCERT: 0x8,
  CR_FLG_ENROLLONBEHALFOF: 0x10,
  CR_FLG_SUBJECTUNMODIFIED: 0x20,
  CR_FLG_VALIDENCRYPTEDKEYHASH: 0x40,
  CR_FLG_CACROSSCERT: 0x80,
  CR_FLG_ENFORCEUTF8: 0x100,
  CR_FLG_DEFINEDCACERT: 0x200,
  CR_FLG_CHALLENGEPENDING: 0x400,
  CR_FLG_CHALLENGESATISFIED: 0x800,
  CR_FLG_TRUSTONUSE: 0x1000,
  CR_FLG_TRUSTEKCERT: 0x2000,
  CR_FLG_TRUSTEKKEY: 0x4000,
  CR_FLG_PUBLISHERROR: 0x80000000
} as const

/** The request forms a caller can announce. */
export type RequestFormat = 'pkcs10' | 'keygen' | 'pkcs7' | 'cmc'

/** The parts of a CR_IN word that decide how a submitted request is read. */
export interface SubmitFlags {
  /** The whole word, unsigned. */
  readonly value: number
  /** The announced form; absent when the caller leaves it to the server. */
  readonly expectFormat?: RequestFormat
  readonly encoding: 'base64-header' | 'base64' | 'binary' | 'any'
  readonly fullResponse: boolean
  readonly crls: boolean
}

const FORMATS = new Map<number, RequestFormat>([
  [CR_IN.CR_IN_PKCS10, 'pkcs10'],
  [CR_IN.CR_IN_KEYGEN, 'keygen'],
  [CR_IN.CR_IN_PKCS7, 'pkcs7'],
  [CR_IN.CR_IN_CMC, 'cmc']
])

const ENCODINGS = new Map<number, SubmitFlags['encoding']>([
  [CR_IN.CR_IN_BASE64HEADER, 'base64-header'],
  [CR_IN.CR_IN_BASE64, 'base64'],
  [CR_IN.CR_IN_BINARY, 'binary'],
  [CR_IN.CR_IN_ENCODEANY, 'any']
])

/**
 * Reads the flags of a submission, given as a CR_IN word or as names. Throws `invalid_argument` for an unknown name,
 * encoding or format and for the formats that answer a challenge, which this program never sets.
 */
export function parseSubmitFlags(flags: number | string | readonly string[] | undefined): SubmitFlags {
  const value = parseFlags(flags ?? 0, CR_IN)
  const encoding = ENCODINGS.get(value & CR_IN.CR_IN_ENCODEMASK)
  const format = value & CR_IN.CR_IN_FORMATMASK
  const expectFormat = FORMATS.get(format)
  if (encoding === undefined || (format !== 0 && expectFormat === undefined)) {
    throw new AppError('invalid_argument', `The flags 0x${value.toString(16)} name no known encoding and format.`, {
      flags: value
    })
  }
  return {
    value,
    ...(expectFormat === undefined ? {} : { expectFormat }),
    encoding,
    fullResponse: (value & CR_IN.CR_IN_FULLRESPONSE) !== 0,
    crls: (value & CR_IN.CR_IN_CRLS) !== 0
  }
}

/**
 * A flag word from a number, from its text (decimal or `0x…`), or from names joined by blanks, commas or `|`. A name
 * may lack the prefix of its table (`CMC` for `CR_IN_CMC`). Throws `invalid_argument` for anything else.
 */
export function parseFlags(
  flags: number | string | readonly string[],
  table: Readonly<Record<string, number>>
): number {
  if (typeof flags === 'number') return checkedWord(flags, String(flags))
  const words = typeof flags === 'string' ? flags.split(/[\s,|]+/).filter(word => word !== '') : flags
  let value = 0
  for (const word of words) value = (value | flagValue(word.trim(), table)) >>> 0
  return value
}

function flagValue(word: string, table: Readonly<Record<string, number>>): number {
  if (/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(word)) return checkedWord(Number(word), word)
  const wanted = word.toUpperCase()
  for (const [name, value] of Object.entries(table)) {
    if (name === wanted || name.replace(/^[A-Z]+_[A-Z]+_/, '') === wanted) return value
  }
  throw new AppError('invalid_argument', `"${word.slice(0, 64)}" is not a known flag.`)
}

function checkedWord(value: number, text: string): number {
  if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
    throw new AppError('invalid_argument', `The flag word ${text.slice(0, 32)} does not fit in 32 bits.`)
  }
  return value >>> 0
}
