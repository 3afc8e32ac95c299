import { AppError } from '@app/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { enrollAce, securityDescriptorBytes, type AceParts } from '../../../test/helpers/security-descriptors.js'
import {
  ACCESS,
  controllersOf,
  decodeSecurityDescriptor,
  enrollmentRightsOf,
  EXTENDED_RIGHT,
  standingOf,
  wellKnownName
} from './index.js'

const USERS = 'S-1-5-21-1-2-3-513'
const ADMINS = 'S-1-5-21-1-2-3-512'
const read = (...aces: AceParts[]) => decodeSecurityDescriptor(securityDescriptorBytes({ aces }))

describe('a security descriptor', () => {
  it('says who owns an object and who may do what', () => {
    const descriptor = read(enrollAce(USERS), { sid: ADMINS, mask: 0xf01ff, deny: true, flags: 8 })
    expect(descriptor).toEqual({
      owner: 'S-1-5-21-1-2-3-519',
      group: 'S-1-5-21-1-2-3-519',
      access: [
        {
          effect: 'allow',
          mask: 0x100,
          sid: USERS,
          objectType: EXTENDED_RIGHT.ENROLL,
          isInheritOnly: false,
          isConditional: false
        },
        { effect: 'deny', mask: 0xf01ff, sid: ADMINS, isInheritOnly: true, isConditional: false }
      ]
    })
  })

  it('without a list lets everybody do everything', () => {
    const descriptor = decodeSecurityDescriptor(securityDescriptorBytes({}))
    expect(descriptor.access).toBeUndefined()
    expect(controllersOf(descriptor)).toContainEqual({ sid: 'S-1-1-0', rights: ['NO_ACCESS_LIST'] })
  })

  it.each<[string, AceParts, boolean]>([
    ['the right itself', enrollAce(USERS), true],
    ['all extended rights', { sid: USERS, mask: ACCESS.CONTROL_ACCESS }, true],
    ['full control', { sid: USERS, mask: 0xf01ff }, true],
    ['generic all', { sid: USERS, mask: ACCESS.GENERIC_ALL }, true],
    ['another right', { ...enrollAce(USERS), objectType: EXTENDED_RIGHT.AUTO_ENROLL }, false],
    ['reading', { sid: USERS, mask: 0x20094 }, false],
    ['a right for the objects below', { ...enrollAce(USERS), flags: 8 }, false],
    ['a right under a condition', { ...enrollAce(USERS), type: 0xb }, false]
  ])('gives enrollment by %s: %s', (_what, ace, isGiven) => {
    expect(enrollmentRightsOf(read(ace)).enroll).toEqual(isGiven ? [USERS] : [])
  })

  it('gives nothing to whom it denies it', () => {
    expect(enrollmentRightsOf(read({ ...enrollAce(USERS), deny: true }, enrollAce(USERS), enrollAce(ADMINS)))).toEqual({
      enroll: [ADMINS],
      autoEnroll: [],
      denied: [USERS]
    })
  })

  it('names those who control the object', () => {
    const property = 'bf967a0a-0de6-11d0-a285-00aa003049e2'
    const found = controllersOf(
      read(
        { sid: USERS, mask: ACCESS.WRITE_DACL | ACCESS.WRITE_OWNER },
        { sid: USERS, mask: ACCESS.WRITE_PROPERTY, objectType: property },
        { sid: 'S-1-1-0', mask: 0x20094 },
        { sid: 'S-1-5-11', mask: ACCESS.GENERIC_WRITE, deny: true }
      )
    )
    expect(found).toEqual([
      { sid: 'S-1-5-21-1-2-3-519', rights: ['OWNER'] },
      { sid: USERS, rights: ['WRITE_DACL', 'WRITE_OWNER', `WRITE_PROPERTY ${property}`] }
    ])
  })

  it.each([
    ['S-1-1-0', 'low', 'Everyone'],
    ['S-1-5-11', 'low', 'Authenticated Users'],
    [USERS, 'low', 'Domain Users'],
    ['S-1-5-21-1-2-3-515', 'low', 'Domain Computers'],
    [ADMINS, 'administrative', 'Domain Admins'],
    ['S-1-5-18', 'administrative', 'Local System'],
    ['S-1-5-21-1-2-3-1105', 'unknown', undefined],
    ['S-1-5-80-1-2-3-513', 'unknown', undefined]
  ])('knows what %s stands for', (sid, standing, name) => {
    expect([standingOf(sid), wellKnownName(sid)]).toEqual([standing, name])
  })

  it('is refused for any cut, and for any other change ends in nothing but its own error', () => {
    const bytes = securityDescriptorBytes({ aces: [enrollAce(USERS), { sid: ADMINS, mask: 0xf01ff }] })
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeSecurityDescriptor(bytes.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'security_descriptor_invalid' })
      )
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = Buffer.from(bytes)
        changed[at] = value
        try {
          decodeSecurityDescriptor(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      })
    )
  })
})
