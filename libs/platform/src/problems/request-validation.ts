import { StandardSchemaValidationPipe, type ArgumentMetadata } from '@nestjs/common'
import { InvalidRequest, jsonPointer, type ProblemDetail } from './problem.js'

/** What a schema complains of; the members beside message and path are zod's. */
interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
  /** Names of members that do not belong there. */
  readonly keys?: readonly string[]
  /** What each alternative of a union complains of. */
  readonly errors?: readonly (readonly Issue[])[]
}

/** More than a person reads; each repeats a path that the caller chose. */
const MAX_ERRORS = 20

/** Checks what routes declare with `@Body({ schema })` and the like; throws {@link InvalidRequest}. */
export function requestValidation(): StandardSchemaValidationPipe {
  return new RequestValidation({
    validateCustomDecorators: true,
    exceptionFactory: issues => new InvalidRequest(issues.flatMap(issue => describeIssue(issue)).slice(0, MAX_ERRORS))
  })
}

/** A parameter of the path is a member of a request as those of the query and the body are. */
class RequestValidation extends StandardSchemaValidationPipe {
  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    try {
      return (await super.transform(value, metadata)) as T
    } catch (error) {
      const { data: name } = metadata
      if (!(error instanceof InvalidRequest) || name === undefined) throw error
      throw new InvalidRequest(
        error.errors.map(({ pointer, detail }) => ({ pointer: `${jsonPointer([name])}${pointer}`, detail }))
      )
    }
  }
}

function describeIssue(issue: Issue, parents: readonly PropertyKey[] = []): readonly ProblemDetail[] {
  const path = [...parents, ...(issue.path ?? []).map(part => (typeof part === 'object' ? part.key : part))]
  if (issue.keys !== undefined) {
    return issue.keys.map(key => ({ pointer: jsonPointer([...path, key]), detail: 'There is no such member.' }))
  }
  if (issue.errors === undefined) return [{ pointer: jsonPointer(path), detail: issue.message }]
  return describeUnion(issue.errors, path)
}

/** The alternative that was meant is the one whose faults lie deepest; when that tells none, all are named. */
function describeUnion(alternatives: readonly (readonly Issue[])[], path: readonly PropertyKey[]): ProblemDetail[] {
  const described = alternatives.map(issues => issues.flatMap(issue => describeIssue(issue, path)))
  const meant = described.filter(details => details.every(({ pointer }) => pointer !== jsonPointer(path)))
  if (meant.length === 1) return meant.flat()
  const reasons = new Set(described.flat().map(({ detail }) => detail))
  return [{ pointer: jsonPointer(path), detail: [...reasons].join('; or ') }]
}
