import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  judgedView,
  partsBody,
  partsQuery,
  partsView,
  resealsQuery,
  resealsView,
  resealView,
  startBody,
  takenView,
  verdictsBody,
  type JudgedView,
  type PartsBody,
  type PartsQuery,
  type PartsView,
  type ResealsQuery,
  type ResealsView,
  type ResealView,
  type StartBody,
  type TakenView,
  type VerdictsBody
} from './reseals.schemas.js'
import { ResealsService } from './reseals.service.js'

/** Archived keys handed on from one recovery agent to a successor: an administrator starts, the two agents do it. */
@ApiTags('reseals')
@Controller('api/v1/reseals')
export class ResealsController {
  constructor(private readonly reseals: ResealsService) {}

  @Get()
  @RequirePermission('agent.read')
  @ApiOperation({ summary: 'Reseals, newest first' })
  @ApiResponse({ status: 200, standardSchema: resealsView })
  list(
    @Query({ schema: resealsQuery }) query: ResealsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ResealsView> {
    return this.reseals.list(query, operator)
  }

  @Post()
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'Let an agent hand its keys on to a successor' })
  @ApiResponse({ status: 201, standardSchema: resealView })
  start(
    @Body({ schema: startBody }) body: StartBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ResealView> {
    return this.reseals.start(body, operator)
  }

  @Get(':id')
  @RequirePermission('agent.read')
  @ApiOperation({ summary: 'One reseal, and how far its keys are' })
  @ApiResponse({ status: 200, standardSchema: resealView })
  show(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ResealView> {
    return this.reseals.show(id, operator)
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @RequirePermission('archive.write')
  @ApiOperation({ summary: 'End a reseal; what is done stays done' })
  @ApiResponse({ status: 200, standardSchema: resealView })
  cancel(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ResealView> {
    return this.reseals.cancel(id, operator)
  }

  @Get(':id/parts')
  @RequirePermission('agent.reseal')
  @ApiOperation({ summary: 'The agent’s own parts of keys, to be handed on; each look is recorded' })
  @ApiResponse({ status: 200, standardSchema: partsView })
  parts(
    @Param('id', { schema: uuidParameter }) id: string,
    @Query({ schema: partsQuery }) query: PartsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<PartsView> {
    return this.reseals.parts(id, query, operator)
  }

  @Post(':id/parts')
  @HttpCode(200)
  @RequirePermission('agent.reseal')
  @ApiOperation({ summary: 'Hand parts on, encrypted to the successor; those that do not wait for it are passed over' })
  @ApiResponse({ status: 200, standardSchema: takenView })
  handOn(
    @Param('id', { schema: uuidParameter }) id: string,
    @Body({ schema: partsBody }) body: PartsBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<TakenView> {
    return this.reseals.handOn(id, body, operator)
  }

  @Get(':id/new-parts')
  @RequirePermission('agent.reseal')
  @ApiOperation({ summary: 'The successor’s parts of keys, to be verified; each look is recorded' })
  @ApiResponse({ status: 200, standardSchema: partsView })
  newParts(
    @Param('id', { schema: uuidParameter }) id: string,
    @Query({ schema: partsQuery }) query: PartsQuery,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<PartsView> {
    return this.reseals.newParts(id, query, operator)
  }

  @Post(':id/verdicts')
  @HttpCode(200)
  @RequirePermission('agent.reseal')
  @ApiOperation({ summary: 'Say of new parts whether they open; only then the old form of a key ends' })
  @ApiResponse({ status: 200, standardSchema: judgedView })
  judge(
    @Param('id', { schema: uuidParameter }) id: string,
    @Body({ schema: verdictsBody }) body: VerdictsBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<JudgedView> {
    return this.reseals.judge(id, body, operator)
  }
}
