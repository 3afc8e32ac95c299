import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  decodeLegacyReply,
  decodeLegacyRequest,
  encodeLegacyReply,
  encodeLegacyRequest,
  legacyHeader,
  rewriteLegacyMethod
} from './legacy-wire.js'

const xml = '<ClientRegistrationRequest><Data Name="Zürich €"/></ClientRegistrationRequest>'
const header = legacyHeader(xml, {
  id: randomUUID(),
  sourceId: `GUID:${randomUUID().toUpperCase()}`,
  host: 'PC1',
  sentTime: '2026-11-25T12:00:00Z'
})

describe('the wire of other management points', () => {
  it('carries a message and its reply to the last character', () => {
    expect(decodeLegacyRequest(encodeLegacyRequest(xml, header))).toBe(xml)
    expect(decodeLegacyReply(encodeLegacyReply(xml))).toBe(xml)
  })

  it('refuses another endpoint, a cut message, a body that is not compressed and one that unpacks too far', () => {
    const { contentType, body } = encodeLegacyRequest(xml, header)
    const refused = { code: 'registration_schema_invalid' }
    const other = encodeLegacyRequest(xml, header.replaceAll('MP_ClientRegistration', 'MP_PolicyManager'))
    const bomb = encodeLegacyRequest('<a>'.repeat(400_000), header)
    const plain = Buffer.from(
      body.toString().replace(/octet-stream\r\n\r\n[^]*?\r\n--/, 'octet-stream\r\n\r\n<a/>\r\n--')
    )
    for (const message of [other, bomb, { contentType, body: body.subarray(0, -30) }, { contentType, body: plain }]) {
      expect(() => decodeLegacyRequest(message)).toThrow(expect.objectContaining(refused))
    }
    expect(() => decodeLegacyRequest({ contentType: 'multipart/mixed', body })).toThrow(
      expect.objectContaining(refused)
    )
  })

  it('makes its method one that HTTP servers know, also when it comes in pieces, and leaves others alone', () => {
    const text = (start: string): string => {
      const changed = rewriteLegacyMethod(Buffer.from(start))
      return changed === 'more' ? changed : Buffer.from(changed).toString()
    }
    expect(text('CCM_POST /ccm_system/request HTTP/1.1\r\n')).toBe('POST /ccm_system/request HTTP/1.1\r\n')
    expect(text('CCM_')).toBe('more')
    expect(text('GET / HTTP/1.1')).toBe('GET / HTTP/1.1')
    expect(text('CCM_POSTS /')).toBe('CCM_POSTS /')
  })
})
