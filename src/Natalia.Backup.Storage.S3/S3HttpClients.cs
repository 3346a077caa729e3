using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Amazon.Runtime;

namespace Natalia.Backup.Storage.S3;

/// <summary>Gives the SDK one HTTP client of this store's own: its connections end with the store, and its trust in a pinned certificate is nobody else's.</summary>
internal sealed class S3HttpClients : HttpClientFactory, IDisposable
{
    private readonly HttpClient _client;
    private readonly byte[]? _thumbprint;

    internal S3HttpClients(byte[]? thumbprint)
    {
        _thumbprint = thumbprint;
#if NET8_0_OR_GREATER
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(20),
            // Name changes are noticed in the course of a long run.
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
            Expect100ContinueTimeout = TimeSpan.FromSeconds(3),
        };
        if (thumbprint is not null) handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) => IsPinned(certificate);
#else
        var handler = new HttpClientHandler { AllowAutoRedirect = false };
        if (thumbprint is not null) handler.ServerCertificateCustomValidationCallback = (_, certificate, _, _) => IsPinned(certificate);
#endif
        // Requests end by lack of progress, not by their duration: a pack takes long over a thin line.
        _client = new HttpClient(new SmallBodies(handler)) { Timeout = Timeout.InfiniteTimeSpan };
    }

    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => _client;

    public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

    public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;

    public void Dispose() => _client.Dispose();

    private bool IsPinned(X509Certificate? certificate)
    {
        if (certificate is null) return false;
        using SHA256 sha = SHA256.Create();
        return sha.ComputeHash(certificate.GetRawCertData()).AsSpan().SequenceEqual(_thumbprint);
    }

    /// <summary>Sends small bodies at once. The SDK has every put wait for the server's "continue", which for them costs more than a body that is refused.</summary>
    private sealed class SmallBodies(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        private const long Limit = 1 << 20;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.Content?.Headers.ContentLength < Limit) request.Headers.ExpectContinue = false;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
