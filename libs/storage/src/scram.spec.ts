import { isAppError } from '@app/core'
import { describe, expect, it } from 'vitest'
import { encodeScramVerifier } from './scram.js'

describe('encodeScramVerifier', () => {
  it('derives the keys of the worked example in RFC 7677, section 3', () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
    const verifier = encodeScramVerifier('pencil', { bytes: () => salt })
    // From the server key follows the server's proof of the example, v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
    expect(verifier).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU='
    )
  })

  it.each(['', 'with space', 'ümlaut', 'line\nbreak'])('refuses the password %j', password => {
    expect(() => encodeScramVerifier(password, { bytes: length => new Uint8Array(length) })).toThrow(
      expect.toSatisfy(error => isAppError(error, 'invalid_argument'))
    )
  })
})
