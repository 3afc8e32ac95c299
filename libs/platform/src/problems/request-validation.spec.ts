import type { ArgumentMetadata } from '@nestjs/common'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { InvalidRequest, type ProblemDetail } from './problem.js'
import { requestValidation } from './request-validation.js'

const submission = z.strictObject({
  request: z.string().min(3),
  flags: z.union([z.int(), z.array(z.string())]).optional()
})
const schema = z.union([z.instanceof(Uint8Array), submission])

async function faultsOf(body: unknown): Promise<readonly ProblemDetail[]> {
  const metadata: ArgumentMetadata = { type: 'body', schema }
  try {
    await requestValidation().transform(body, metadata)
    return []
  } catch (error) {
    if (error instanceof InvalidRequest) return error.errors
    throw error
  }
}

describe('the validation of a request', () => {
  it('points at a parameter of the path by its name', async () => {
    const metadata: ArgumentMetadata = { type: 'param', data: 'id', schema: z.coerce.number() }
    await expect(requestValidation().transform('x', metadata)).rejects.toMatchObject({ errors: [{ pointer: '/id' }] })
  })

  it('lets through what fits one alternative of a union', async () => {
    expect(await faultsOf(Buffer.from('x'))).toEqual([])
    expect(await faultsOf({ request: 'abc', flags: ['CMC'] })).toEqual([])
  })

  it.each([
    ['a member of another type', { request: 5 }, ['/request']],
    ['a member that is missing', {}, ['/request']],
    ['a member that is too short', { request: 'a' }, ['/request']],
    ['a member of none of its types', { request: 'abc', flags: 'CMC' }, ['/flags']],
    ['an element of another type', { request: 'abc', flags: ['CMC', 7] }, ['/flags/1']],
    ['several wrong members', { request: 5, flags: {} }, ['/request', '/flags']],
    ['members that do not belong there', { request: 'abc', a: 1, 'b/c': 2 }, ['/a', '/b~1c']],
    ['a body of another kind', 'text', ['']]
  ])('points at %s', async (_what, body, pointers) => {
    const faults = await faultsOf(body)
    expect(faults.map(({ pointer }) => pointer)).toEqual(pointers)
    expect(faults.every(({ detail }) => detail.length > 10)).toBe(true)
  })
})
