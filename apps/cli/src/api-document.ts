import { z } from 'zod'
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import { PROBLEM_MEDIA_TYPE, problemSchema, type Config } from '@app/platform'

const BINARY = { type: 'string', format: 'binary' } as const

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const

/** Serves the API document, and the page for people that shows it. */
export function describeApi(app: NestFastifyApplication, config: Config): void {
  const description = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Certkeep')
    .setDescription(
      'Enrollment with key archival: the mirror of ICertRequest, CMC over HTTP, and the console of operators.'
    )
    .setVersion('1')
    .addServer(config.publicUrl)
    .addBearerAuth()
    .addCookieAuth('__Host-certkeep-session')
    .build()
  SwaggerModule.setup(
    'api',
    app,
    () => withProblems(SwaggerModule.createDocument(app, description, { standardSchemaConverter: jsonSchemaOf })),
    {
      jsonDocumentUrl: 'api/openapi.json',
      yamlDocumentUrl: 'api/openapi.yaml',
      // Without the bar at the top, which asks for the address of another document.
      swaggerOptions: { layout: 'BaseLayout' }
    }
  )
  keepToPolicy(app)
}

/** A route that takes JSON and bytes describes its body once, as either; which it is follows from the media type. */
function tellFormsApart(content: Record<string, { schema?: object }>): void {
  for (const [type, media] of Object.entries(content)) {
    const { anyOf: forms = [] } = (media.schema ?? {}) as { readonly anyOf?: readonly object[] }
    const isBinary = (form: object): boolean => 'format' in form && form.format === BINARY.format
    if (!forms.some(isBinary)) continue
    const rest = forms.filter(form => !isBinary(form))
    media.schema = type === 'application/json' ? (rest.length === 1 ? (rest[0] as object) : { anyOf: rest }) : BINARY
  }
}

/** Every route may answer with a problem; the server, not each route, makes them. */
function withProblems(document: OpenAPIObject): OpenAPIObject {
  const schema = { $ref: '#/components/schemas/Problem' }
  const problem = (description: string) => ({ description, content: { [PROBLEM_MEDIA_TYPE]: { schema } } })
  for (const item of Object.values(document.paths)) {
    for (const method of METHODS) {
      const { responses, requestBody } = item[method] ?? {}
      if (responses === undefined) continue
      if (requestBody !== undefined && 'content' in requestBody) tellFormsApart(requestBody.content)
      responses['4XX'] ??= problem('The call is refused.')
      responses['5XX'] ??= problem('The server cannot do it now.')
    }
  }
  const { $schema: _, ...described } = z.toJSONSchema(problemSchema, { io: 'output' })
  const schemas = { ...document.components?.schemas, Problem: described as object }
  return { ...document, components: { ...document.components, schemas } }
}

/**
 * The generated page has styles of its own inline, which the policy of pages forbids. What they do is in the style sheet
 * anyway, but for hiding the icons that the page refers to.
 */
function keepToPolicy(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onSend', async ({ url }, _reply, payload) =>
      typeof payload === 'string' && /^\/api(?:\/|\/index\.html)?(?:\?|$)/.test(url)
        ? payload.replace(/<style>[\s\S]*?<\/style>/g, '').replace(/ style="[^"]*"/g, ' width="0" height="0"')
        : payload
    )
}

/** The JSON Schema of a zod schema; bytes, which have none, are a binary string. */
function jsonSchemaOf(
  schema: unknown,
  { schemaType: io }: { readonly schemaType: 'input' | 'output' }
): { readonly schema: unknown } | undefined {
  if (!(schema instanceof z.ZodType)) return undefined
  const converted = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema instanceof z.ZodCustom) Object.assign(jsonSchema, BINARY)
      // A word for yes or no in an address; the two that are told are those that everybody knows.
      if (zodSchema instanceof z.ZodCodec && zodSchema.out instanceof z.ZodBoolean) {
        Object.assign(jsonSchema, { type: 'string', enum: ['true', 'false'] })
      }
    }
  })
  delete converted.$schema
  return { schema: converted }
}
