using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Network;
using static Natalia.Backup.Engine.ErrorIds;

namespace Natalia.Backup.Storage.S3;

/// <summary>Turns what the SDK, the network and the server say into the product's error ids.</summary>
internal static class S3Errors
{
    /// <summary>Whether this is trouble of a request, and so is to be translated.</summary>
    internal static bool IsRequestTrouble(Exception error) =>
        error is AmazonClientException or AmazonServiceException or HttpRequestException or IOException or WebException
            or SocketException or AuthenticationException or System.Xml.XmlException or TimeoutException
        || IsOfCredentials(error);

    /// <summary>
    /// What the SDK throws when a profile cannot be used: of many types, some of them as general as
    /// InvalidOperationException.
    /// </summary>
    private static bool IsOfCredentials(Exception error)
    {
        // No request opens a file: it is that of a token, which the profile names.
        if (error is FileNotFoundException or DirectoryNotFoundException) return true;
        if (error is AmazonServiceException or AmazonClientException or ObjectDisposedException
            or OperationCanceledException or NataliaException || error.Source != "AWSSDK.Core")
            return false;
        return error.StackTrace?.IndexOf("Credential", StringComparison.Ordinal) >= 0;
    }

    internal static bool IsNotFound(Exception error) =>
        error is AmazonServiceException { StatusCode: HttpStatusCode.NotFound } service
        && service.ErrorCode is not "NoSuchBucket";

    /// <param name="error">What happened.</param>
    /// <param name="options">Where.</param>
    /// <param name="route">The way to the server.</param>
    /// <param name="name">The object concerned, or null.</param>
    /// <param name="call">What was asked.</param>
    /// <param name="connected">Whether the server has answered well before.</param>
    internal static NataliaException Translate(Exception error, S3StoreOptions options, S3Route route, string? name,
        S3Call call, bool connected)
    {
        string place = name is null ? options.Location : $"{options.Location}/{name}";
        string server = route.Server;
        bool writing = call.Writes;
        NataliaException Make(string id, NataliaErrorKind kind, string what, string? advice = null) =>
            new(id, kind, what, place, advice, error);

        if (IsOfCredentials(error) && options.AccessKey is null) return NoCredentials();
        if (Find<S3RedirectException>(error) is S3RedirectException redirect)
            return Redirected(redirect, options, place, server, error);
        if (Find<ProxyLoginException>(error) is not null || NetworkProxy.WantsLogin(error))
            return ProxyLogin(route, place, error);
        if (Find<SlowLineException>(error) is SlowLineException slow)
            return new(StoreUnavailable, NataliaErrorKind.Timeout,
                $"The line to {server} stalls: {slow.Message} Less than 64 KiB in a minute counts as a broken line.",
                place,
                "Check the network between this machine and the server, then run the operation again.", error);
        if (FindProxyFailure(error, route) is string refused)
            return Make(StoreUnavailable, NataliaErrorKind.Connection,
                $"The proxy {route.Proxy} does not open the way to {route.Host}: {refused}",
                "Ask who runs the proxy to let this machine through to the server, or name the server in NO_PROXY "
                + "where it can be reached directly.");
        if (Find<AuthenticationException>(error) is AuthenticationException tls)
            return options.ServerCertificateThumbprint is not null
                ? Make(StoreCertificateRefused, NataliaErrorKind.Security,
                    $"The server {server} does not show the certificate that is pinned for it: {tls.Message}",
                    "Find out whether the server's certificate was renewed. If so, give the new fingerprint; if not, "
                    + "somebody stands between you and the server.")
                : Make(StoreCertificateRefused, NataliaErrorKind.Security,
                    $"The TLS connection to {server} is not trusted: {tls.Message}",
                    "Make this machine trust the authority that signed the server's certificate, or pin the "
                    + "certificate by its SHA-256 fingerprint. If the server speaks plain http, say so in the "
                    + "endpoint.");
        if (Find<SocketException>(error) is SocketException socket)
        {
            if (route.Proxy is not null)
                return Make(StoreUnavailable, NataliaErrorKind.Connection,
                    $"The proxy {route.Proxy} on the way to {route.Host} cannot be reached: {socket.Message}",
                    "Check the environment variables HTTPS_PROXY and HTTP_PROXY, or the system's proxy; NO_PROXY "
                    + "names the servers that are asked directly.");
            if (!connected && route.IsVirtual
                && socket.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain)
                return Make(StoreEndpointNotFound, NataliaErrorKind.Connection,
                    $"There is no server called {server}, which is the endpoint with the bucket's name before it: "
                    + $"{socket.Message}",
                    "Check the endpoint and the bucket for typing errors. Where names of buckets are not in the name "
                    + "service, give -AddressingStyle Path.");
            if (!connected
                && socket.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain)
                return Make(StoreEndpointNotFound, NataliaErrorKind.Connection,
                    $"There is no server called {server}: {socket.Message}",
                    "Check the endpoint for typing errors, and this machine's name resolution.");
            return Make(StoreUnavailable, NataliaErrorKind.Connection,
                $"The server {server} cannot be reached: {socket.Message}",
                "Check that the server runs, the port in the endpoint, and the network and firewalls between.");
        }
        if (error is AmazonServiceException service && service.StatusCode != 0)
            return FromAnswer(service, options, route, place, name, call, connected);
        if (Find<HttpRequestException>(error) is not null || Find<IOException>(error) is not null
            || Find<WebException>(error) is not null)
            return Make(StoreUnavailable, NataliaErrorKind.Connection,
                $"The connection to {server} broke: {Deepest(error).Message}",
                "Check the network between this machine and the server, then run the operation again.");
        // The SDK throws what lies in the cancellation as which a connection that cannot be opened in time ends.
        if (Find<TimeoutException>(error) is not null || error is OperationCanceledException)
            return Make(StoreUnavailable, NataliaErrorKind.Timeout,
                $"{(route.Proxy is null ? "The server " + server
                    : $"The proxy {route.Proxy} on the way to {route.Host}")} took too long: "
                + Deepest(error).Message,
                "Check that the server runs, the port in the endpoint, and the network and firewalls between, then run "
                + "the operation again.");
        if (connected && (Find<System.Xml.XmlException>(error) is not null || error is AmazonUnmarshallingException))
            return Make(StoreReadFailed, NataliaErrorKind.ReadFailed,
                $"An answer of {server} cannot be read: {Deepest(error).Message}",
                "Run the operation again. If it stays so, look for a proxy or a gateway that changes answers on the "
                + "way.");
        if (Find<System.Xml.XmlException>(error) is not null || error is AmazonUnmarshallingException)
            return Make(StoreEndpointInvalid, NataliaErrorKind.Connection,
                $"What answers at {server} is no S3 server: its answer cannot be read.",
                "Check host and port of the endpoint: the web console of a server often has another port than its S3 "
                + "service.");
        // The SDK found no credentials to sign with: there was no answer, because nothing was sent.
        if (error is AmazonClientException && options.AccessKey is null) return NoCredentials();
        return Make(writing ? StoreWriteFailed : StoreReadFailed,
            writing ? NataliaErrorKind.WriteFailed : NataliaErrorKind.ReadFailed,
            $"The request for '{place}' failed: {error.Message}");

        NataliaException NoCredentials() => Make(StoreCredentialMissing, NataliaErrorKind.Authentication,
            $"There are no credentials for {options.Location}: none of the environment, of a profile or of a role of "
            + $"this machine can be used. {WhyNot(error)}",
            "Give the access key and its secret with -Credential: the key as user name, the secret as password.");
    }

    /// <summary>
    /// What the SDK says of the places where it looked are several lines, and stands behind the error; one of them is
    /// of the profile that somebody named.
    /// </summary>
    private static string WhyNot(Exception error)
    {
        string[] lines = [.. error.Message.Split('\n').Select(l => DisplayText.CleanLine(l).Trim())
            .Where(l => l.Length > 0)];
        string line = lines.Length == 1
            ? lines[0]
            : lines.FirstOrDefault(l => l.IndexOf("profile", StringComparison.OrdinalIgnoreCase) >= 0) ?? "";
        int text = line.StartsWith("Exception ", StringComparison.Ordinal)
            ? line.IndexOf(": ", StringComparison.Ordinal)
            : -1;
        return text < 0 ? line : line.Substring(text + 2);
    }

    internal static NataliaException Stalled(S3StoreOptions options, S3Route route, string? name, Exception error) =>
        new(StoreUnavailable, NataliaErrorKind.Timeout,
            $"A request to {route.Server} made no progress for {options.StallTimeout.TotalSeconds:0.#} seconds.",
            name is null ? options.Location : $"{options.Location}/{name}",
            "Check the network between this machine and the server, then run the operation again.", error);

    internal static S3RedirectException? FindRedirect(NataliaException error) => Find<S3RedirectException>(error);

    /// <summary>What the server says against S3's own rules. Another try would only hide it.</summary>
    internal static NataliaException Wrong(S3StoreOptions options, S3Route route, string? name, string what,
        string? advice = null, Exception? error = null) =>
        new(StoreAnswerInvalid, NataliaErrorKind.InvalidData, what,
            name is null ? options.Location : $"{options.Location}/{name}",
            advice
            ?? $"Look for a proxy or a gateway that changes answers between this machine and {route.Host}; without "
            + "one, the server does not keep to S3 and cannot hold a repository.",
            error);

    private static NataliaException Redirected(S3RedirectException redirect, S3StoreOptions options, string place,
        string server, Exception error)
    {
        string where = redirect.Host is null ? "elsewhere" : $"to '{redirect.Host}'";
        string region = redirect.Region is null ? "" : $", in the region '{redirect.Region}'";
        bool isRegion = redirect.Region is not null || redirect.Code is "PermanentRedirect" or "TemporaryRedirect";
        string what = $"The server {server} sends requests for the bucket '{options.Bucket}' {where}{region} (HTTP "
            + $"{redirect.Status}{(redirect.Code is null ? "" : ", " + redirect.Code)}). Nothing was sent there.";
        return isRegion
            ? new(BucketRegionWrong, NataliaErrorKind.InvalidArgument, what, place,
                $"Give the region in which the bucket was "
                + $"made{(redirect.Region is null ? "" : $": -Region {redirect.Region}")}, or the endpoint where it "
                + "is, if that is yours.",
                error)
            : new(StoreRedirected, NataliaErrorKind.Security, what, place,
                "Requests carry your access key's name, so they go to the endpoint alone. If the bucket is there and "
                + "that server is trusted, give it as the endpoint; else look for a portal or proxy on the way.",
                error);
    }

    private static NataliaException ProxyLogin(S3Route route, string place, Exception error) =>
        new(ProxyAuthenticationFailed, NataliaErrorKind.Authentication,
            $"The proxy {route.Proxy ?? "on the way"} to {route.Host} wants a "
            + $"login{(route.HasProxyLogin ? ", and does not take the one it was given" : "")} (407). The bucket was "
            + "not asked.",
            place,
            NetworkProxy.LoginAdvice, error);

    private static string? FindProxyFailure(Exception error, S3Route route)
    {
#if NET8_0_OR_GREATER
        return Find<HttpRequestException>(error) is { HttpRequestError: HttpRequestError.ProxyTunnelError } tunnel
            ? tunnel.Message
            : null;
#else
        return route.Proxy is not null
            && Find<WebException>(error)
                is
            {
                Status: WebExceptionStatus.ProxyNameResolutionFailure
                    or WebExceptionStatus.RequestProhibitedByProxy
            } refused
            ? refused.Message
            : null;
#endif
    }

    private static NataliaException FromAnswer(AmazonServiceException error, S3StoreOptions options, S3Route route,
        string place, string? name, S3Call call, bool connected)
    {
        (string server, bool writing) = (route.Server, call.Writes);
        NataliaException Make(string id, NataliaErrorKind kind, string what, string? advice = null) =>
            new(id, kind, what, place, advice, error);
        string said = string.IsNullOrEmpty(error.ErrorCode)
            ? $"HTTP {(int)error.StatusCode}"
            : $"{error.ErrorCode}: {error.Message}";
        switch (error.ErrorCode)
        {
            case "NoSuchKey" or "NoSuchVersion":
                return Make(ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{place}'.");
            case "NoSuchBucket":
                return Make(BucketNotFound, NataliaErrorKind.NotFound,
                    $"There is no bucket '{options.Bucket}' at {server}.",
                    "Check the name, the endpoint and the region. For an immutable repository, make the bucket with "
                    + "object lock: it cannot be added later everywhere.");
            case "InvalidAccessKeyId" or "SignatureDoesNotMatch" or "InvalidToken" or "ExpiredToken"
                or "TokenRefreshRequired" or "InvalidSecurity" or "NotSignedUp":
                return Make(StoreCredentialRefused, NataliaErrorKind.Authentication,
                    $"The server {server} refuses the credentials ({error.ErrorCode}).{S3Text.FindDoubt(options)}",
                    "Check the access key and its secret, and whether they have expired.");
            case "RequestTimeTooSkewed" or "RequestExpired":
                return Make(StoreClockSkewed, NataliaErrorKind.InvalidOperation,
                    $"The clock of this machine is too far from the clock of {server}: {error.Message}",
                    "Set this machine's clock (in UTC), and let it be kept by NTP.");
            case "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect"
                or "IllegalLocationConstraintException" or "IncorrectEndpoint":
                return Make(BucketRegionWrong, NataliaErrorKind.InvalidArgument,
                    $"The bucket '{options.Bucket}' is not in the region '{S3Clients.FindRegion(options)}': "
                    + $"{error.Message}",
                    "Give the region in which the bucket was made.");
            case "SlowDown" or "ServiceUnavailable" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded"
                or "TooManyRequests" or "BandwidthLimitExceeded":
                return Make(StoreThrottled, NataliaErrorKind.ResourceBusy,
                    $"The server {server} asks for fewer requests ({error.ErrorCode}).",
                    "Run fewer backups at once, or wait.");
            case "QuotaExceeded" or "XMinioStorageFull" or "XMinioAdminBucketQuotaExceeded" or "InsufficientStorage"
                or "StorageFull":
                return Make(StoreFull, NataliaErrorKind.ResourceUnavailable,
                    $"There is no room left in '{options.Location}': {said}",
                    "Free space or raise the quota there. What was stored before is unharmed. Removing points needs "
                    + "room for a few small records; Optimize-NataliaRepository then gives space back.");
            case "InvalidObjectState":
                return Make(ObjectArchived, NataliaErrorKind.ResourceUnavailable,
                    $"The object '{place}' lies in an archive class and must be thawed before it is read.",
                    "Ask for a thaw, and run the operation again when it is done; that takes minutes to days.");
            case "AccessDenied" or "Forbidden" or "AllAccessDisabled" or "AccountProblem":
                return Denied();
        }
        return error.StatusCode switch
        {
            // A web server that is no S3 server answers with a page instead of an error code.
            _ when !connected && LooksForeign(error) && error.StatusCode < HttpStatusCode.InternalServerError
                && error.StatusCode != (HttpStatusCode)429 =>
                Foreign(options, server, said, error),
            (HttpStatusCode)429 =>
                Make(StoreThrottled, NataliaErrorKind.ResourceBusy, $"The server {server} asks for fewer requests.",
                    "Run fewer backups at once, or wait."),
            (HttpStatusCode)507 =>
                Make(StoreFull, NataliaErrorKind.ResourceUnavailable,
                    $"There is no room left in '{options.Location}': {said}",
                    "Free space or raise the quota there. What was stored before is unharmed. Removing points needs "
                    + "room for a few small records; Optimize-NataliaRepository then gives space back."),
            HttpStatusCode.Forbidden => Denied(),
            HttpStatusCode.NotFound =>
                Make(ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{place}'."),
            >= HttpStatusCode.InternalServerError =>
                Make(StoreUnavailable, NataliaErrorKind.Connection,
                    $"The server {server} has trouble of its own: {said}",
                    "Try again later; look into the server's log."),
            _ => Make(writing ? StoreWriteFailed : StoreReadFailed,
                writing ? NataliaErrorKind.WriteFailed : NataliaErrorKind.ReadFailed,
                $"The server {server} refuses the request for '{place}': {said}"),
        };

        NataliaException Denied() =>
            Make(StoreAccessDenied, NataliaErrorKind.PermissionDenied,
                $"The server {server} denies {call.Right} on {call.Resource(options, name)} ({said}).",
            $"Give the key the right {call.Right} there, and look for rules that deny it. docs/stores.md has a policy "
            + "with all rights that a repository needs.");
    }

    internal static NataliaException Foreign(S3StoreOptions options, string server, string said, Exception? error) =>
        new(StoreEndpointInvalid, NataliaErrorKind.Connection, $"What answers at {server} is no S3 server ({said}).",
            options.Location,
            "Check host and port of the endpoint: the web console of a server often has another port than its S3 "
            + "service; and whether it speaks http or https.",
            error);

    private static bool LooksForeign(AmazonServiceException error) =>
        string.IsNullOrEmpty(error.ErrorCode)
        || error.ErrorCode == ((int)error.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture)
        || error.ErrorCode == error.StatusCode.ToString() || string.IsNullOrEmpty(error.RequestId);

    private static T? Find<T>(Exception? error) where T : Exception
    {
        for (; error is not null; error = error.InnerException)
            if (error is T found) return found;
        return null;
    }

    private static Exception Deepest(Exception error)
    {
        while (error.InnerException is not null) error = error.InnerException;
        return error;
    }
}
