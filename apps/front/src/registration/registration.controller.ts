import { Body, Controller, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common'
import { ApiConsumes, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Consumes } from '@app/platform'
import { registrationBody, registrationReply, SMSID_PATTERN, type RegistrationBody } from '@app/registration'
import { ClientEnrollment } from './client-enrollment.js'
import { RegistrationEdge } from './registration-edge.js'

const types = ['application/json', 'application/xml', 'text/xml'] as const
const bodySchema = z.union([z.instanceof(Uint8Array), registrationBody])
const smsidParameter = z.string().regex(SMSID_PATTERN, 'is no GUID: identifier')
const enrollQuery = z.object({ ca: z.string().min(1).max(64).optional() })

/** The management point: registration and confirmation of clients, in XML and in JSON. */
@ApiTags('registration')
@Controller('api/v1/configmgr/registrations')
export class RegistrationController {
  constructor(
    private readonly edge: RegistrationEdge,
    private readonly enrollment: ClientEnrollment
  ) {}

  @Post()
  @HttpCode(200)
  @Consumes(...types)
  @ApiConsumes(...types)
  @ApiOperation({
    summary: 'Register a client (ClientRegistrationRequest)',
    description: 'The XML form is always answered with 200 and a Status; the JSON form with 200, 202, 403 or 503.'
  })
  @ApiResponse({ status: 200, standardSchema: registrationReply })
  @ApiResponse({ status: 202, standardSchema: registrationReply })
  async register(
    @Body({ schema: bodySchema }) body: Uint8Array | RegistrationBody,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply
  ): Promise<void> {
    await this.edge.answer(body, { type: 'Registration' }, request, reply)
  }

  @Post(':smsid/confirmation')
  @HttpCode(200)
  @Consumes(...types)
  @ApiConsumes(...types)
  @ApiOperation({ summary: 'Ask what became of a registration (Confirmation)' })
  @ApiResponse({ status: 200, standardSchema: registrationReply })
  @ApiResponse({ status: 202, standardSchema: registrationReply })
  async confirm(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @Body({ schema: bodySchema }) body: Uint8Array | RegistrationBody,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply
  ): Promise<void> {
    await this.edge.answer(body, { type: 'Confirmation', smsid }, request, reply)
  }

  @Post(':smsid/certificate')
  @HttpCode(200)
  @Consumes(...types)
  @ApiConsumes(...types)
  @ApiOperation({
    summary: 'Enroll a registered client, or ask after its request',
    description: 'The message is of the RequestType Enrollment, signed with the key that the client is registered with.'
  })
  async enroll(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @Body({ schema: bodySchema }) body: Uint8Array | RegistrationBody,
    @Query({ schema: enrollQuery }) query: z.infer<typeof enrollQuery>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply
  ): Promise<void> {
    const received = await this.edge.read(body, { type: 'Enrollment', smsid }, request)
    const enrolled = await this.enrollment.enroll(received, query.ca)
    await this.edge.send(reply, request, { status: 200, type: 'application/json', body: JSON.stringify(enrolled) })
  }
}
