import { Body, Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common'
import { ApiExcludeController } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AppError } from '@app/core'
import { CONFIG, Consumes, type Config } from '@app/platform'
import { LEGACY_MEDIA_TYPE } from '@app/registration'
import { RegistrationEdge } from './registration-edge.js'

const bodySchema = z.instanceof(Uint8Array)

/**
 * The addresses that management points of Configuration Manager have. Its method `CCM_POST` arrives as POST, since the
 * listeners of clients change it before HTTP is read.
 */
@ApiExcludeController()
@Controller()
export class LegacyWireController {
  constructor(
    private readonly edge: RegistrationEdge,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  @Post('ccm_system/request')
  @HttpCode(200)
  @Consumes(LEGACY_MEDIA_TYPE)
  async request(
    @Body({ schema: bodySchema }) body: Uint8Array,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply
  ): Promise<void> {
    this.requireOn()
    await this.edge.answerLegacy(body, request, reply)
  }

  @Post('ccm_system_windowsauth/request')
  @HttpCode(200)
  @Consumes(LEGACY_MEDIA_TYPE)
  async requestOfAccount(
    @Body({ schema: bodySchema }) body: Uint8Array,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply
  ): Promise<void> {
    this.requireOn()
    if (request.headers.authorization === undefined) {
      throw new AppError('unauthenticated', 'This address is for accounts of the directory, which send their token.')
    }
    await this.edge.answerLegacy(body, request, reply)
  }

  private requireOn(): void {
    if (!this.config.registration.legacyWire) throw new AppError('not_found', 'There is nothing at this address.')
  }
}
