import { DerReader, encodeInteger, encodeOctetString, encodeOid, encodeSequence, encodeUtf8String } from '@app/der'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import { decodePendToken, decodeStatusInfo, encodePendToken, encodeStatusInfo, type StatusInfo } from './status-info.js'

const samples: readonly StatusInfo[] = [
  { version: 1, status: 0, bodyList: [[1]], statusString: 'Issued' },
  { version: 1, status: 2, bodyList: [[1], [4_294_967_295]] },
  { version: 2, status: 2, bodyList: [[1]], statusString: 'Denied', otherInfo: { kind: 'failInfo', failInfo: 6 } },
  {
    version: 1,
    status: 3,
    bodyList: [[1]],
    otherInfo: {
      kind: 'pendInfo',
      pendInfo: { token: Buffer.from('17'), time: new Date('2026-03-04T05:06:07Z') }
    }
  },
  {
    version: 2,
    status: 2,
    bodyList: [[1, 2, 3]],
    otherInfo: { kind: 'extendedFailInfo', type: '1.2.3', value: Buffer.of(2, 1, 9) }
  }
]

function decode(value: Uint8Array, version: 1 | 2): StatusInfo {
  const reader = DerReader.over(value)
  const info = decodeStatusInfo(reader, version)
  reader.end('status')
  return info
}

describe('a status', () => {
  it.each(samples)('$status of version $version reads back as it was written', info => {
    expect(decode(encodeStatusInfo(info), info.version)).toEqual(info)
  })

  it('may have an extended reason without its tag, as the text of the standard has it', () => {
    const reason = encodeSequence(encodeOid('1.2.3'), encodeInteger(9))
    const value = encodeSequence(encodeInteger(2), encodeSequence(encodeInteger(1)), reason)
    expect(decode(value, 2).otherInfo).toMatchObject({ kind: 'extendedFailInfo', type: '1.2.3' })
    expect(codeOf(() => decode(value, 1))).toBe('der_tag_unexpected')
  })

  it('of version 1 has no paths, and none has an empty list', () => {
    const withPath = encodeSequence(
      encodeInteger(0),
      encodeSequence(encodeSequence(encodeInteger(1), encodeInteger(2)))
    )
    expect(codeOf(() => decode(withPath, 1))).toBe('cmc_structure')
    expect(decode(withPath, 2).bodyList).toEqual([[1, 2]])
    expect(codeOf(() => decode(encodeSequence(encodeInteger(0), encodeSequence()), 2))).toBe('cmc_structure')
  })

  it('has its time as GeneralizedTime', () => {
    const utcTime = Buffer.from('170d3236303330343035303630375a', 'hex')
    const value = encodeSequence(
      encodeInteger(3),
      encodeSequence(encodeInteger(1)),
      encodeUtf8String('Taken Under Submission'),
      encodeSequence(encodeOctetString(Buffer.from('17')), utcTime)
    )
    expect(codeOf(() => decode(value, 1))).toBe('der_tag_unexpected')
  })
})

describe('a pend token', () => {
  it('is the request id in decimal', () => {
    expect(Buffer.from(encodePendToken(17)).toString('latin1')).toBe('17')
    expect(decodePendToken(encodePendToken(2_147_483_647))).toBe(2_147_483_647)
  })

  it.each(['', '0', '017', '-1', '2147483648', '1e3', '17 ', '99999999999'])('"%s" is none of ours', text => {
    expect(decodePendToken(Buffer.from(text))).toBeUndefined()
  })
})
