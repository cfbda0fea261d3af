# The orchestrator as a service of its own: see docs/service.md.
FROM node:22-slim AS build
WORKDIR /app
# Alone, so that a change of the source does not install everything anew.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build
# What a service needs beside the package's own dependencies is, in this repository, only there for its tests.
RUN node scripts/service-dependencies.mjs workflow @workflow/world-postgres ioredis bullmq pg graphile-worker @kubernetes/client-node
RUN npm prune --omit=dev --no-audit --no-fund

FROM node:22-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=7070 ORCHESTRATOR_DATA_DIR=/data
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/orchestrator.mjs"]
CMD ["serve"]
