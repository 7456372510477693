package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"sync"

	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type heldKey struct {
	signer crypto.Signer
	public *keymanagerv1.PublicKey
}

// keyManager keeps keys for as long as its process lives.
type keyManager struct {
	keymanagerv1.UnimplementedKeyManagerServer
	configurable

	keysMu sync.Mutex
	keys   map[string]heldKey
}

func newKeyManager() *keyManager { return &keyManager{keys: make(map[string]heldKey)} }

func (p *keyManager) GenerateKey(_ context.Context, req *keymanagerv1.GenerateKeyRequest) (*keymanagerv1.GenerateKeyResponse, error) {
	if req.KeyId == "" {
		return nil, status.Error(codes.InvalidArgument, "key id is required")
	}
	signer, err := generate(req.KeyType)
	if err != nil {
		return nil, err
	}
	pkix, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(pkix)
	public := &keymanagerv1.PublicKey{Id: req.KeyId, Type: req.KeyType, PkixData: pkix, Fingerprint: hex.EncodeToString(sum[:])}
	p.keysMu.Lock()
	defer p.keysMu.Unlock()
	p.keys[req.KeyId] = heldKey{signer: signer, public: public}
	return &keymanagerv1.GenerateKeyResponse{PublicKey: public}, nil
}

func (p *keyManager) GetPublicKey(_ context.Context, req *keymanagerv1.GetPublicKeyRequest) (*keymanagerv1.GetPublicKeyResponse, error) {
	p.keysMu.Lock()
	defer p.keysMu.Unlock()
	return &keymanagerv1.GetPublicKeyResponse{PublicKey: p.keys[req.KeyId].public}, nil
}

func (p *keyManager) GetPublicKeys(context.Context, *keymanagerv1.GetPublicKeysRequest) (*keymanagerv1.GetPublicKeysResponse, error) {
	p.keysMu.Lock()
	defer p.keysMu.Unlock()
	resp := &keymanagerv1.GetPublicKeysResponse{}
	for _, key := range p.keys {
		resp.PublicKeys = append(resp.PublicKeys, key.public)
	}
	return resp, nil
}

func (p *keyManager) SignData(_ context.Context, req *keymanagerv1.SignDataRequest) (*keymanagerv1.SignDataResponse, error) {
	p.keysMu.Lock()
	key, ok := p.keys[req.KeyId]
	p.keysMu.Unlock()
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no such key %q", req.KeyId)
	}
	signature, err := key.signer.Sign(rand.Reader, req.Data, crypto.Hash(req.GetHashAlgorithm()))
	if err != nil {
		return nil, status.Errorf(codes.Internal, "signing failed: %v", err)
	}
	return &keymanagerv1.SignDataResponse{Signature: signature, KeyFingerprint: key.public.Fingerprint}, nil
}

func generate(keyType keymanagerv1.KeyType) (crypto.Signer, error) {
	switch keyType {
	case keymanagerv1.KeyType_EC_P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keymanagerv1.KeyType_EC_P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case keymanagerv1.KeyType_RSA_2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case keymanagerv1.KeyType_RSA_4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	default:
		return nil, status.Error(codes.InvalidArgument, "unknown key type")
	}
}
