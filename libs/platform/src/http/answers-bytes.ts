import { ApiResponse } from '@nestjs/swagger'

/** Tells in the API document that a route answers with 200 and a body of one of these media types, which is no JSON. */
export function AnswersBytes(...mediaTypes: readonly string[]): MethodDecorator {
  const schema = { type: 'string', format: 'binary' }
  const content = Object.fromEntries(mediaTypes.map(type => [type, { schema }]))
  return ApiResponse({ status: 200, content })
}
