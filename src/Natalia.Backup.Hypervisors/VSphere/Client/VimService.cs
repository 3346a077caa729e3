using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Access;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>The session over SOAP. Ends itself at the server when it is disposed.</summary>
internal sealed class VimService : IVimService
{
    // Sessions end after half an hour without calls; the shortest setting that people make is some minutes.
    private static readonly TimeSpan s_keepAlive = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_logoutLimit = TimeSpan.FromSeconds(5);
    private static readonly VimReference s_instance = new("ServiceInstance", "ServiceInstance");

    private readonly VimWire _wire;
    private readonly HostTrust _trust;
    private readonly string _user;
    private readonly ApiSecret _secret;
    private readonly SemaphoreSlim _loginGate = new(1, 1);
    private readonly string _action;
    private readonly XElement _content;
    private readonly PropertyReader _properties;
    private readonly TaskWatcher _tasks;
    private readonly KeepAliveClock _keepAlive;
    private volatile string? _cookie;
    private volatile bool _isDisposed;

    private VimService(VimWire wire, HostTrust trust, VSphereConnectOptions options, string action, XElement content)
    {
        (_wire, _trust, _user, _action, _content) = (wire, trust, options.User, action, content);
        _secret = new ApiSecret(options.Secret);
        Clock = options.Clock;
        About = content.Member("about") ?? new XElement("about");
        _properties = new PropertyReader(this);
        _tasks = new TaskWatcher(this);
        _keepAlive = new KeepAliveClock(Clock, s_keepAlive,
            token => CallAsync(s_instance, "CurrentTime", [], token));
    }

    /// <summary>Agrees on a version, and logs in.</summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerNotTrusted</c>,
    /// <c>AuthenticationFailed</c>, <c>ServerAnswerInvalid</c>, <c>HypervisorNotFound</c> for a server older than
    /// 6.5.</exception>
    internal static async Task<VimService> ConnectAsync(VSphereConnectOptions options,
        CancellationToken cancellationToken)
    {
        var trust = new HostTrust(new CertificateTrust(options.CertificateThumbprints,
            options.AuthorityFile is null ? null : CertificateFile.Read(options.AuthorityFile)));
        var wire = new VimWire(AddressOf(options.Host, options.Port), trust, options.Clock, options.Trace);
        VimService? service = null;
        try
        {
            string version = await VimVersions.ChooseAsync(wire, cancellationToken).ConfigureAwait(false);
            string action = $"urn:vim25/{version}";
            (XElement body, _) = await wire.CallAsync(s_instance, "RetrieveServiceContent", [], action, null,
                cancellationToken).ConfigureAwait(false);
            if (VimEnvelope.IsFault(body)) throw VimFaults.OfCall(wire.Host, "RetrieveServiceContent", body);
            XElement content = body.Member("returnval")
                ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"'{wire.Host}' does not say what it offers.", wire.Host);
            service = new VimService(wire, trust, options, action, content);
            VimVersions.Require(service.About, wire.Host);
            await service.LoginAsync(null, cancellationToken).ConfigureAwait(false);
            return service;
        }
        catch
        {
            if (service is null) wire.Dispose();
            else service.Dispose();
            throw;
        }
    }

    public Uri BaseUri => _wire.BaseUri;

    public bool IsVirtualCenter => About.Text("apiType") == "VirtualCenter";

    public XElement About { get; }

    public TimeProvider Clock { get; }

    public VimReference Singleton(string name) => VimXml.ReferenceOf(_content.Member(name))
        ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            $"'{_wire.Host}' ({About.Text("fullName")}) has no {name}.", _wire.Host);

    public async Task<IReadOnlyList<XElement>> CallAsync(VimReference target, string method,
        IEnumerable<XElement?> arguments, CancellationToken cancellationToken)
    {
        List<XElement?> sent = [.. arguments];
        for (bool renewed = false; ; renewed = true)
        {
            string? cookie = _cookie ?? await LoginAsync(null, cancellationToken).ConfigureAwait(false);
            (XElement body, _) = await _wire.CallAsync(target, method, sent, _action, cookie,
                cancellationToken).ConfigureAwait(false);
            if (!VimEnvelope.IsFault(body)) return [.. body.Members("returnval")];
            VimFaultException fault = VimFaults.OfCall(_wire.Host, method, body);
            // A server that does not know the session has done nothing: any call may be sent again, once.
            if (!fault.Is("NotAuthenticated") || renewed || _isDisposed) throw fault;
            await LoginAsync(cookie, cancellationToken).ConfigureAwait(false);
        }
    }

    public Task<IReadOnlyList<VimObject>> GetPropertiesAsync(IEnumerable<VimReference> objects,
        IEnumerable<string> paths, CancellationToken cancellationToken) =>
        _properties.GetAsync(objects, paths, cancellationToken);

    public Task<IReadOnlyList<VimObject>> FindAsync(VimReference? container, string type, IEnumerable<string> paths,
        CancellationToken cancellationToken) => _properties.FindAsync(container, type, paths, cancellationToken);

    public Task<XElement?> WaitTaskAsync(VimReference task, VimTaskOptions how, CancellationToken cancellationToken) =>
        _tasks.WaitAsync(task, how, cancellationToken);

    public async Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> request,
        CancellationToken cancellationToken)
    {
        for (bool renewed = false; ; renewed = true)
        {
            HttpRequestMessage message = request();
            bool isOwn = IsOwn(message.RequestUri!);
            string? cookie = null;
            if (isOwn)
            {
                cookie = _cookie ?? await LoginAsync(null, cancellationToken).ConfigureAwait(false);
                message.Headers.TryAddWithoutValidation("Cookie", cookie);
            }
            HttpResponseMessage response = await _wire.OpenAsync(message, cancellationToken).ConfigureAwait(false);
            if (!isOwn || renewed || response.StatusCode is not (HttpStatusCode.Unauthorized
                or HttpStatusCode.Forbidden))
                return response;
            // A right that lacks is told in the same way as a session that has ended: a call makes the difference.
            await CallAsync(s_instance, "CurrentTime", [], cancellationToken).ConfigureAwait(false);
            if (_cookie == cookie) return response;
            response.Dispose();
        }
    }

    public async Task<IReadOnlyList<string>> TrustHostAsync(VimReference host, CancellationToken cancellationToken)
    {
        if (!IsVirtualCenter) return [];
        IReadOnlyList<VimObject> found = await GetPropertiesAsync([host],
            ["name", "config.certificate", "config.network.vnic", "config.network.dnsConfig"],
            cancellationToken).ConfigureAwait(false);
        if (found.Count == 0 || FingerprintOf(found[0]["config.certificate"]) is not string fingerprint) return [];
        List<string> names = [.. NamesOf(found[0]).Distinct(StringComparer.OrdinalIgnoreCase)];
        foreach (string name in names) _trust.Learn(name, fingerprint);
        return names;
    }

    public IDisposable KeepAlive() => _keepAlive.Hold();

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _keepAlive.Dispose();
        if (_cookie is string cookie)
        {
            // Servers have few sessions, and keep those that nobody ends for half an hour.
            using var limit = new CancellationTokenSource(s_logoutLimit);
            try
            {
                Task.Run(() => _wire.CallAsync(Singleton("sessionManager"), "Logout", [], _action, cookie,
                    limit.Token)).Wait(s_logoutLimit);
            }
            catch (AggregateException)
            {
                // It ends by itself.
            }
        }
        _cookie = null;
        _wire.Dispose();
        _secret.Dispose();
    }

    /// <summary>Logs in, unless another thread has done it since the refused cookie was sent.</summary>
    private async Task<string> LoginAsync(string? refused, CancellationToken cancellationToken)
    {
        await _loginGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_cookie is string current && current != refused) return current;
            _cookie = null;
            (XElement body, string? cookie) = await _wire.CallAsync(Singleton("sessionManager"), "Login",
                [VimXml.Element("userName", _user), VimXml.Element("password", _secret.Reveal())], _action, null,
                cancellationToken).ConfigureAwait(false);
            if (VimEnvelope.IsFault(body)) throw VimFaults.OfCall(_wire.Host, "Login", body);
            return _cookie = cookie
                ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"'{_wire.Host}' answered the login without a session.", _wire.Host);
        }
        finally
        {
            _loginGate.Release();
        }
    }

    private bool IsOwn(Uri address) => Uri.Compare(address, _wire.BaseUri, UriComponents.SchemeAndServer,
        UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private static Uri AddressOf(string host, int port)
    {
        string name = host.Trim().Trim('[', ']');
        if (Uri.CheckHostName(name) == UriHostNameType.Unknown)
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.InvalidArgument,
                $"'{host}' is not a host name or address.", host,
                "Give a name or an address alone: vcenter.example.com. A port goes with -Port.");
        string bracketed = name.Contains(':') ? $"[{name}]" : name;
        return new Uri($"https://{bracketed}:{port.ToString(CultureInfo.InvariantCulture)}/");
    }

    private static IEnumerable<string> NamesOf(VimObject host)
    {
        if (host.Text("name") is string name) yield return name;
        XElement? dns = host["config.network.dnsConfig"];
        if (dns.Text("hostName") is { Length: > 0 } own)
        {
            yield return own;
            if (dns.Text("domainName") is { Length: > 0 } domain) yield return $"{own}.{domain}";
        }
        foreach (XElement adapter in host["config.network.vnic"]?.Elements() ?? [])
            if (adapter.Text("spec.ip.ipAddress") is { Length: > 0 } address)
                yield return address;
    }

    /// <summary>The fingerprint of a certificate that a property holds byte by byte, or as base64.</summary>
    private static string? FingerprintOf(XElement? property)
    {
        if (property is null) return null;
        try
        {
            byte[] bytes = property.HasElements
                ? [.. property.Elements().Select(e => unchecked((byte)int.Parse(e.Value,
                    CultureInfo.InvariantCulture)))]
                : Convert.FromBase64String(property.Value);
            using X509Certificate2 certificate = CertificateFile.Parse(bytes)[0];
            return CertificateTrust.Fingerprint(certificate);
        }
        catch (Exception e)
            when (e is FormatException or OverflowException or System.Security.Cryptography.CryptographicException)
        {
            // Then the host is trusted as any other one is.
            return null;
        }
    }
}
