# syntax=docker/dockerfile:1
# The operator image for those who have a container engine; "make image" makes the same one without.
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/etcd-operator:TAG --push .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY internal internal
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
    -tags grpcnotrace,kustomize_disable_go_plugin_support -ldflags "-s -w" \
    -o /out/ ./cmd/etcd-operator ./cmd/etcd-launcher

FROM scratch
COPY --from=build /out/etcd-operator /out/etcd-launcher /
USER 65532:65532
ENTRYPOINT ["/etcd-operator"]
