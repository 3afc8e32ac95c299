import { StandardSchemaValidationPipe } from '@nestjs/common'
import { InvalidRequest, jsonPointer } from './problem.js'

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** More than a person reads; each repeats a path that the caller chose. */
const MAX_ERRORS = 20

/** Checks what routes declare with `@Body({ schema })` and the like; throws {@link InvalidRequest}. */
export function requestValidation(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    validateCustomDecorators: true,
    exceptionFactory: issues => new InvalidRequest(issues.slice(0, MAX_ERRORS).map(describeIssue))
  })
}

function describeIssue(issue: Issue): { readonly pointer: string; readonly detail: string } {
  const path = (issue.path ?? []).map(part => (typeof part === 'object' ? part.key : part))
  return { pointer: jsonPointer(path), detail: issue.message }
}
