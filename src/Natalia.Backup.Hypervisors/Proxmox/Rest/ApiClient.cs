using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Network;
using Natalia.Backup.Hypervisors.Access;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// Talks to one cluster through whichever of its hosts answers. Any thread. What may be repeated is repeated here and
/// nowhere else: a GET always; another verb only while it is certain that it was not carried out.
/// </summary>
internal sealed class ApiClient : IDisposable
{
    /// <summary>
    /// The server's tickets last two hours; this leaves room for one long answer and a clock that is not quite right.
    /// </summary>
    private static readonly TimeSpan s_renewAfter = TimeSpan.FromMinutes(90);
    private static readonly TimeSpan s_requestTimeout = TimeSpan.FromSeconds(100);
    private const int MaximumProxyRetries = 3;

    private readonly ApiFlavor _flavor;
    private readonly IReadOnlyList<ApiHost> _hosts;
    private readonly ApiCredential _credential;
    private readonly CertificateTrust _trust;
    private readonly TimeProvider _clock;
    private readonly Action<string>? _trace;
    private readonly HttpClient _http;
    private readonly SemaphoreSlim _loginGate = new(1, 1);
    private volatile ApiTicket? _ticket;
    private bool _loggedInWithSecondFactor;
    private volatile int _current;
    private readonly SilentNodes _silent;
    private long _requests;

    internal ApiClient(ApiFlavor flavor, IReadOnlyList<ApiHost> hosts, ApiCredential credential, CertificateTrust trust,
        TimeProvider clock, Action<string>? trace = null)
    {
        if (hosts.Count == 0) throw new ArgumentException("At least one host is needed.", nameof(hosts));
        (_flavor, _hosts, _credential, _trust, _clock, _trace) = (flavor, hosts, credential, trust, clock, trace);
        _silent = new SilentNodes(clock);
        var handler = new HttpClientHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            Proxy = NetworkProxy.Default,
            AutomaticDecompression = DecompressionMethods.GZip | DecompressionMethods.Deflate,
            MaxConnectionsPerServer = 16,
            ServerCertificateCustomValidationCallback = (_, certificate, chain, errors) => _trust.Accept(certificate,
                chain, errors),
        };
        _http = new HttpClient(handler)
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = 512L << 20,
        };
    }

    internal ApiFlavor Flavor => _flavor;

    internal TimeProvider Clock => _clock;

    internal string User => _credential.User;

    internal bool UsesToken => _credential.IsToken;

    /// <summary>The host that answered last.</summary>
    internal ApiHost CurrentHost => _hosts[_current];

    /// <summary>The hosts' names, for the eye.</summary>
    internal string Location => string.Join(",", _hosts.Select(h => h.Text(_flavor.DefaultPort)));

    /// <summary>How many requests were sent so far, logins included.</summary>
    internal long RequestCount => Interlocked.Read(ref _requests);

    internal Task<ApiAnswer> GetAsync(ApiPath path, ApiArguments? arguments, CancellationToken cancellationToken,
        RequiredRight? right = null) =>
        SendAsync("GET", path, arguments, right, cancellationToken);

    internal Task<ApiAnswer> GetAsync(ApiPath path, CancellationToken cancellationToken, RequiredRight? right = null) =>
        SendAsync("GET", path, null, right, cancellationToken);

    internal Task<ApiAnswer> PostAsync(ApiPath path, ApiArguments? arguments, CancellationToken cancellationToken,
        RequiredRight? right = null) =>
        SendAsync("POST", path, arguments, right, cancellationToken);

    internal Task<ApiAnswer> PutAsync(ApiPath path, ApiArguments? arguments, CancellationToken cancellationToken,
        RequiredRight? right = null) =>
        SendAsync("PUT", path, arguments, right, cancellationToken);

    internal Task<ApiAnswer> DeleteAsync(ApiPath path, ApiArguments? arguments, CancellationToken cancellationToken,
        RequiredRight? right = null) =>
        SendAsync("DELETE", path, arguments, right, cancellationToken);

    /// <summary>Logs in now where a login is needed, so that a wrong password shows at once.</summary>
    internal async Task ConnectAsync(CancellationToken cancellationToken)
    {
        if (!_credential.IsToken) await GetTicketAsync(null, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        _ticket = null;
        _http.Dispose();
        _credential.Dispose();
        _loginGate.Dispose();
    }

    private async Task<ApiAnswer> SendAsync(string method, ApiPath path, ApiArguments? arguments, RequiredRight? right,
        CancellationToken cancellationToken)
    {
        bool repeatable = method == "GET";
        bool renewed = false;
        int proxyRetries = 0;
        ApiTicket? refused = null;
        while (true)
        {
            ApiTicket? ticket = _credential.IsToken
                ? null
                : await GetTicketAsync(refused, cancellationToken).ConfigureAwait(false);
            Reply reply = await TransmitAsync(method, path, arguments, ticket, repeatable,
                cancellationToken).ConfigureAwait(false);
            if (reply.Status is >= 200 and < 300)
            {
                _silent.Answered(path);
                return Parse(method, path, reply);
            }

            // The server holds a 401 back for three seconds and runs nothing: with a new ticket any verb may be sent
            // again, once.
            if (reply.Status == 401 && ticket is not null && !renewed)
            {
                renewed = true;
                refused = ticket;
                continue;
            }
            ApiException error = ApiErrors.From(_flavor, reply.Host, method, path, reply.Status, reply.Reason,
                reply.Body, right, Secrets(ticket));
            if (ApiErrors.IsProxyFailure(reply.Status))
            {
                if (!repeatable)
                    throw new ApiException(ErrorIds.RequestOutcomeUnknown, NataliaErrorKind.Connection,
                        $"{error.Message} Whether {method} {path.Readable} was carried out is not known.",
                        path.Readable, "Look at the node's task list before repeating it.", error)
                    { Status = reply.Status, ServerText = error.ServerText };
                if (!_silent.IsSilent(path) && ++proxyRetries <= MaximumProxyRetries)
                {
                    MoveOn(reply.HostIndex);
                    await _clock.WaitAsync(TimeSpan.FromSeconds(proxyRetries), cancellationToken).ConfigureAwait(false);
                    continue;
                }
                _silent.Failed(path);
            }
            throw error;
        }
    }

    private ApiAnswer Parse(string method, ApiPath path, Reply reply)
    {
        if (reply.Bytes.Length == 0) return new ApiAnswer(default, null);
        try
        {
            var reader = new Utf8JsonReader(reply.Bytes);
            JsonElement root = JsonElement.ParseValue(ref reader);
            return new ApiAnswer(root.Member("data") ?? default, root.Long("total"));
        }
        catch (JsonException e)
        {
            throw new ApiException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"'{reply.Host}' answered {method} {path.Readable} with something that is not {_flavor.Product}'s "
                + "interface.",
                reply.Host,
                "Check host and port; a proxy or a login page may be in between.", e)
            { Status = reply.Status };
        }
    }

    /// <summary>Sends to the current host, and to the others as long as that cannot carry anything out twice.</summary>
    private async Task<Reply> TransmitAsync(string method, ApiPath path, ApiArguments? arguments, ApiTicket? ticket,
        bool repeatable, CancellationToken cancellationToken)
    {
        int rounds = repeatable ? 2 : 1;
        // A change that is on its way is waited for: broken off, nobody would know whether it happened, nor what to
        // undo. Its time is bounded all the same.
        cancellationToken.ThrowIfCancellationRequested();
        if (!repeatable) cancellationToken = CancellationToken.None;
        Exception? last = null;
        for (int attempt = 0; attempt < _hosts.Count * rounds; attempt++)
        {
            if (attempt > 0 && attempt % _hosts.Count == 0)
                await _clock.WaitAsync(TimeSpan.FromSeconds(1), cancellationToken).ConfigureAwait(false);
            int index = _current;
            try
            {
                return await TransmitOnceAsync(index, method, path, arguments, ticket,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e)
                when (e is HttpRequestException or IOException
                    || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // A stranger at the address is not an outage: going on to another host would hide an attack or a wrong
                // pin.
                if (_trust.LastRefusal is string refusal && ConnectionFailure.IsTrustFailure(e))
                    throw new ApiException(ErrorIds.ServerNotTrusted, NataliaErrorKind.Security,
                        $"The connection to '{_hosts[index].Name}' was refused. {refusal}", _hosts[index].Name,
                        "Compare the fingerprint with the one on the node's System > Certificates page; if they are "
                        + "the same, give it with -ServerCertificateThumbprint.",
                        e)
                    { NothingHappened = true };
                last = e;
                MoveOn(index);
                if (!repeatable && !ConnectionFailure.WasNeverSent(e))
                    throw new ApiException(ErrorIds.RequestOutcomeUnknown, NataliaErrorKind.Connection,
                        $"The connection to '{_hosts[index].Name}' broke during {method} {path.Readable}: whether it "
                        + "was carried out is not known.",
                        path.Readable, "Look at the node's task list before repeating it.", e);
            }
        }
        if (NetworkProxy.WantsLogin(last))
            throw new ApiException(ErrorIds.ProxyAuthenticationFailed, NataliaErrorKind.Authentication,
                $"The proxy on the way to {Location} wants a login, or another one (407). No node was asked.", Location,
                NetworkProxy.LoginAdvice, last)
            { NothingHappened = true };
        throw new ApiException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
            $"No host of '{Location}' answers: {ConnectionFailure.Innermost(last!)}", Location,
            "Check the names, the network and the firewall (port "
            + _hosts[0].Port.ToString(System.Globalization.CultureInfo.InvariantCulture) + ").",
            last)
        { NothingHappened = true };
    }

    private async Task<Reply> TransmitOnceAsync(int index, string method, ApiPath path, ApiArguments? arguments,
        ApiTicket? ticket, CancellationToken cancellationToken)
    {
        ApiHost host = _hosts[index];
        bool inQuery = method is "GET" or "DELETE";
        string query = inQuery && arguments is { IsEmpty: false } ? "?" + arguments.Encode() : "";
        using var request = new HttpRequestMessage(new HttpMethod(method),
            new Uri(host.Base, "/api2/json" + path.Encoded + query));
        if (!inQuery)
        {
            request.Content = new ByteArrayContent(Encoding.ASCII.GetBytes(arguments?.Encode() ?? ""));
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/x-www-form-urlencoded");
        }
        // The .NET Framework would ask for leave before each body, and wait for an answer that these servers do not
        // give.
        request.Headers.ExpectContinue = false;
        Authorize(request, ticket, method);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(s_requestTimeout);
        Interlocked.Increment(ref _requests);
        var watch = Stopwatch.StartNew();
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseContentRead,
            deadline.Token).ConfigureAwait(false);
#if NET8_0_OR_GREATER
        byte[] bytes = await response.Content.ReadAsByteArrayAsync(deadline.Token).ConfigureAwait(false);
#else
        byte[] bytes = await response.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
#endif
        _trace?.Invoke($"{method} {path.Readable} ({(arguments is null ? "" : arguments.ToString())}) at {host.Name}: "
            + $"{(int)response.StatusCode} in {watch.ElapsedMilliseconds} ms");
        return new Reply(index, host.Name, (int)response.StatusCode, response.ReasonPhrase, bytes);
    }

    private void Authorize(HttpRequestMessage request, ApiTicket? ticket, string method)
    {
        if (ticket is not null)
        {
            request.Headers.TryAddWithoutValidation("Cookie",
                $"{_flavor.CookieName}={PercentEncoding.Encode(ticket.Value)}");
            if (method != "GET") request.Headers.TryAddWithoutValidation("CSRFPreventionToken", ticket.CsrfToken);
        }
        else if (_credential.IsToken)
        {
            // "Scheme=value" is no scheme in the sense of the framework's typed header.
            request.Headers.TryAddWithoutValidation("Authorization",
                $"{_flavor.TokenScheme}={_credential.User}{_flavor.TokenSeparator}{_credential.Secret.Reveal()}");
        }
    }

    /// <summary>A ticket that is good now. The one that a server refused is never given again.</summary>
    private async Task<ApiTicket> GetTicketAsync(ApiTicket? refused, CancellationToken cancellationToken)
    {
        if (IsGood(_ticket)) return _ticket!;
        await _loginGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (IsGood(_ticket)) return _ticket!;
            if (_ticket is { } old)
            {
                // A ticket renews itself while it is good, so that no password and no second factor is needed.
                bool tryTicket = !ReferenceEquals(old, refused) || _loggedInWithSecondFactor;
                if (tryTicket)
                {
                    try
                    {
                        return _ticket = await LoginAsync(old.Value, false, cancellationToken).ConfigureAwait(false);
                    }
                    catch (ApiException e) when (e.Status == 401 && !_loggedInWithSecondFactor)
                    {
                        // The ticket has ended, after a suspend for example: the password makes a new one.
                    }
                    catch (ApiException e) when (e.Status == 401)
                    {
                        throw new ApiException(ErrorIds.SessionExpired, NataliaErrorKind.Authentication,
                            $"The session of '{_credential.User}' at '{Location}' has ended, and a new login needs a "
                            + "new one-time code.",
                            Location,
                            "Connect again with a new code. For unattended work use an API token.", e)
                        { Status = 401, NothingHappened = true };
                    }
                }
            }
            return _ticket = await LoginAsync(_credential.Secret.Reveal(), true,
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _loginGate.Release();
        }

        bool IsGood(ApiTicket? ticket) =>
            ticket is not null && !ReferenceEquals(ticket, refused)
            && _clock.GetUtcNow() - ticket.IssuedUtc < s_renewAfter;
    }

    private async Task<ApiTicket> LoginAsync(string proof, bool isPassword, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _clock.GetUtcNow();
        JsonElement data =
            await PostLoginAsync(new ApiArguments { { "username", _credential.User }, { "password", proof } },
            proof, cancellationToken).ConfigureAwait(false);
        string? ticket = data.Text("ticket");
        if (ticket is not null && (data.Flag("NeedTFA") == true || ticket.Contains(":!tfa!")))
        {
            SecondFactorChallenge.Check(ticket, _credential.User, Location);
            if (!isPassword || _credential.OneTimeCode is not { Length: > 0 } code || _loggedInWithSecondFactor)
                throw new ApiException(ErrorIds.SecondFactorRequired, NataliaErrorKind.Authentication,
                    $"The account '{_credential.User}' needs a one-time code to log in to '{Location}'.",
                    _credential.User,
                    "Connect with -OneTimeCode and the code of the authenticator. For unattended work use an API "
                    + "token.")
                { NothingHappened = true };
            var answer =
                new ApiArguments { { "username", _credential.User }, { "tfa-challenge", ticket }, { "password", "totp:"
                    + code } };
            data = await PostLoginAsync(answer, code, cancellationToken).ConfigureAwait(false);
            ticket = data.Text("ticket");
            _loggedInWithSecondFactor = true;
        }
        return new ApiTicket(
            ticket
            ?? throw new ApiException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"'{Location}' answered the login without a ticket.", Location),
            data.Text("CSRFPreventionToken") ?? "", now);
    }

    /// <summary>A login changes nothing, so it may be repeated like a GET.</summary>
    private async Task<JsonElement> PostLoginAsync(ApiArguments arguments, string proof,
        CancellationToken cancellationToken)
    {
        ApiPath path = ApiPath.Of($"/access/ticket");
        Reply reply = await TransmitAsync("POST", path, arguments, null, true, cancellationToken).ConfigureAwait(false);
        if (reply.Status is < 200 or >= 300)
            throw ApiErrors.From(_flavor, reply.Host, "POST", path, reply.Status, reply.Reason, reply.Body, null,
                [proof]);
        return Parse("POST", path, reply).Data;
    }

    private IEnumerable<string> Secrets(ApiTicket? ticket)
    {
        if (ticket is not null) return [ticket.Value, ticket.CsrfToken];
        return _credential.IsToken ? [_credential.Secret.Reveal()] : [];
    }

    private void MoveOn(int failed)
    {
        if (_current == failed) _current = (failed + 1) % _hosts.Count;
    }

    private sealed record Reply(int HostIndex, string Host, int Status, string? Reason, byte[] Bytes)
    {
        internal string Body => Encoding.UTF8.GetString(Bytes, 0, Math.Min(Bytes.Length, 64 << 10));
    }
}
