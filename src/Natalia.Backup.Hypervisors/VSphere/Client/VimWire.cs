using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Network;
using Natalia.Backup.Hypervisors.Access;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>
/// Sends requests to the server and to its hosts, and knows nothing of sessions. Any thread. What only reads is sent
/// twice when the connection breaks; what changes something only while it is certain that nothing was sent.
/// </summary>
internal sealed class VimWire : IDisposable
{
    private static readonly TimeSpan s_requestTimeout = TimeSpan.FromSeconds(100);
    private static readonly TimeSpan s_headTimeout = TimeSpan.FromMinutes(5);

    private static readonly string[] s_readers =
    [
        "Retrieve", "Query", "Continue", "Cancel", "Find", "Fetch", "Has", "Current", "Login", "DestroyView", "List",
        "HttpNfcLeaseProgress", "CreateContainerView",
    ];

    private readonly HostTrust _trust;
    private readonly TimeProvider _clock;
    private readonly Action<string>? _trace;
    private readonly HttpClient _http;

    internal VimWire(Uri baseUri, HostTrust trust, TimeProvider clock, Action<string>? trace)
    {
        (BaseUri, _trust, _clock, _trace) = (baseUri, trust, clock, trace);
        var handler = new HttpClientHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            Proxy = NetworkProxy.Default,
            // The client's own bounds of connections are narrower.
            MaxConnectionsPerServer = 32,
            ServerCertificateCustomValidationCallback = (request, certificate, chain, errors) =>
                trust.Accept(request.RequestUri?.IdnHost, certificate, chain, errors),
        };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    internal Uri BaseUri { get; }

    internal string Host => BaseUri.IdnHost;

    /// <summary>A document of the server.</summary>
    /// <returns>Null when there is none (404).</returns>
    internal async Task<XElement?> GetDocumentAsync(string path, CancellationToken cancellationToken)
    {
        Reply reply = await TransmitAsync(() => new HttpRequestMessage(HttpMethod.Get, new Uri(BaseUri, path)), path,
            repeatable: true, cancellationToken).ConfigureAwait(false);
        return reply.Status == HttpStatusCode.NotFound ? null
            : reply.Status == HttpStatusCode.OK ? Parse(path, reply, VimEnvelope.ReadDocument)
            : throw NotVSphere(path, reply);
    }

    /// <summary>Sends a call, and gives the body's first element with the cookie that came along.</summary>
    internal async Task<(XElement Body, string? Cookie)> CallAsync(VimReference target, string method,
        IEnumerable<XElement?> arguments, string action, string? cookie, CancellationToken cancellationToken)
    {
        byte[] envelope = VimEnvelope.Write(target, method, arguments);
        bool repeatable = s_readers.Any(r => method.StartsWith(r, StringComparison.Ordinal));
        Reply reply = await TransmitAsync(MakeRequest, method, repeatable, cancellationToken).ConfigureAwait(false);
        if (reply.Status is not (HttpStatusCode.OK or HttpStatusCode.InternalServerError))
            throw NotVSphere(method, reply);
        return (Parse(method, reply, VimEnvelope.Read), reply.Cookie);

        HttpRequestMessage MakeRequest()
        {
            var request = new HttpRequestMessage(HttpMethod.Post, new Uri(BaseUri, "/sdk"))
            {
                Content = new ByteArrayContent(envelope),
            };
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "text/xml; charset=utf-8");
            request.Headers.TryAddWithoutValidation("SOAPAction", $"\"{action}\"");
            if (cookie is not null) request.Headers.TryAddWithoutValidation("Cookie", cookie);
            return request;
        }
    }

    /// <summary>Sends one request for bytes; the answer's content is yet to be read.</summary>
    internal async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string host = request.RequestUri!.IdnHost;
        request.Headers.ExpectContinue = false;
        // An upload of a stream is answered when it is over; whoever feeds it bounds it.
        using Deadline deadline = _clock.CreateDeadline(
            request.Content is (null or ByteArrayContent) ? s_headTimeout : Timeout.InfiniteTimeSpan,
            cancellationToken);
        try
        {
            var watch = Stopwatch.StartNew();
            HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead,
                deadline.Token).ConfigureAwait(false);
            _trace?.Invoke($"{request.Method} {request.RequestUri.AbsolutePath} at {host}: "
                + $"{(int)response.StatusCode} in {watch.ElapsedMilliseconds} ms");
            return response;
        }
        catch (Exception e) when (IsBroken(e, cancellationToken))
        {
            throw Describe(e, request.RequestUri);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<Reply> TransmitAsync(Func<HttpRequestMessage> makeRequest, string what, bool repeatable,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // A change that is on its way is waited for: broken off, nobody would know whether it happened.
        if (!repeatable) cancellationToken = CancellationToken.None;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await TransmitOnceAsync(makeRequest, what, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (IsBroken(e, cancellationToken))
            {
                NataliaException described = Describe(e, BaseUri);
                bool never = ConnectionFailure.WasNeverSent(e);
                if (described.ErrorId != ErrorIds.ServerUnreachable) throw described;
                if (!repeatable && !never)
                    throw new NataliaException(ErrorIds.RequestOutcomeUnknown, NataliaErrorKind.Connection,
                        $"The connection to '{Host}' broke during {what}: whether it was carried out is not known.",
                        Host, "Look at the server's list of tasks before repeating it.", e);
                if (attempt >= 2) throw described;
                await _clock.WaitAsync(TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<Reply> TransmitOnceAsync(Func<HttpRequestMessage> makeRequest, string what,
        CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = makeRequest();
        // The .NET Framework would ask for leave before each body, and wait for an answer that is not given.
        request.Headers.ExpectContinue = false;
        using Deadline deadline = _clock.CreateDeadline(s_requestTimeout, cancellationToken);
        var watch = Stopwatch.StartNew();
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead,
            deadline.Token).ConfigureAwait(false);
        byte[] bytes = await VimEnvelope.ReadBoundedAsync(response.Content, Host, VimEnvelope.MaximumLength,
            deadline.Token).ConfigureAwait(false);
        _trace?.Invoke($"{what} at {Host}: {(int)response.StatusCode} in {watch.ElapsedMilliseconds} ms");
        return new Reply(response.StatusCode, bytes, SessionCookie(response));
    }

    private static string? SessionCookie(HttpResponseMessage response)
    {
        if (!response.Headers.TryGetValues("Set-Cookie", out IEnumerable<string>? lines)) return null;
        string? line = lines.FirstOrDefault(l => l.StartsWith("vmware_soap_session=", StringComparison.Ordinal));
        return line?.Split(';')[0];
    }

    private XElement Parse(string what, Reply reply, Func<byte[], XElement> read)
    {
        try
        {
            return read(reply.Bytes);
        }
        catch (Exception e) when (e is XmlException or InvalidOperationException or ArgumentException)
        {
            throw NotVSphere(what, reply, e);
        }
    }

    private NataliaException NotVSphere(string what, Reply reply, Exception? inner = null) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"'{Host}' answered {what} with something that is not the interface of a vCenter or an ESXi host (status "
            + ((int)reply.Status).ToString(CultureInfo.InvariantCulture) + ").",
            Host, "Check host and port; a proxy or a login page may be in between.", inner);

    private NataliaException Describe(Exception e, Uri target)
    {
        string host = target.IdnHost;
        if (_trust.RefusalOf(host) is string refusal && ConnectionFailure.IsTrustFailure(e))
            return new NataliaException(ErrorIds.ServerNotTrusted, NataliaErrorKind.Security,
                $"The connection to '{host}' was refused. {refusal}", host,
                "Compare the fingerprint with the one of the server's own certificate; if they are the same, give it "
                + "with -ServerCertificateThumbprint, or VMCA's root with -CaCertificate.", e);
        if (NetworkProxy.WantsLogin(e))
            return new NataliaException(ErrorIds.ProxyAuthenticationFailed, NataliaErrorKind.Authentication,
                $"The proxy on the way to '{host}' wants a login, or another one (407).", host,
                NetworkProxy.LoginAdvice, e);
        return new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
            $"'{host}' does not answer: {ConnectionFailure.Innermost(e)}", host,
            "Check the name, the network and the firewall (port "
            + target.Port.ToString(CultureInfo.InvariantCulture) + ").", e);
    }

    private static bool IsBroken(Exception e, CancellationToken cancellationToken) =>
        e is HttpRequestException or IOException
        || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private sealed record Reply(HttpStatusCode Status, byte[] Bytes, string? Cookie);
}
