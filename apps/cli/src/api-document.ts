import { z } from 'zod'
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger'
import type { NestFastifyApplication } from '@nestjs/platform-fastify'
import type { Config } from '@app/platform'

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
    () => SwaggerModule.createDocument(app, description, { standardSchemaConverter: jsonSchemaOf }),
    {
      jsonDocumentUrl: 'api/openapi.json',
      yamlDocumentUrl: 'api/openapi.yaml',
      // Without the bar at the top, which asks for the address of another document.
      swaggerOptions: { layout: 'BaseLayout' }
    }
  )
  keepToPolicy(app)
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
      if (zodSchema instanceof z.ZodCustom) Object.assign(jsonSchema, { type: 'string', format: 'binary' })
    }
  })
  delete converted.$schema
  return { schema: converted }
}
