using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Amazon.S3;
using Natalia.Backup.Engine;
using static Natalia.Backup.Engine.ErrorIds;

namespace Natalia.Backup.Storage.S3;

/// <summary>Turns what the SDK, the network and the server say into the product's error ids.</summary>
internal static class S3Errors
{
    /// <summary>Whether this is trouble of a request, and so is to be translated.</summary>
    internal static bool IsRequestTrouble(Exception error) =>
        error is AmazonClientException or AmazonServiceException or HttpRequestException or IOException or WebException or SocketException or AuthenticationException or System.Xml.XmlException;

    internal static bool IsNotFound(Exception error) => error is AmazonServiceException { StatusCode: HttpStatusCode.NotFound } service && service.ErrorCode is not "NoSuchBucket";

    internal static NataliaException Translate(Exception error, S3StoreOptions options, string? name, bool writing, bool connected)
    {
        string place = name is null ? options.Location : $"{options.Location}/{name}";
        string server = options.Endpoint?.Authority ?? "AWS";
        NataliaException Make(string id, NataliaErrorKind kind, string what, string? advice = null) => new(id, kind, what, place, advice, error);

        if (Find<AuthenticationException>(error) is AuthenticationException tls)
            return options.ServerCertificateThumbprint is not null
                ? Make(StoreCertificateRefused, NataliaErrorKind.Security, $"The server {server} does not show the certificate that is pinned for it: {tls.Message}",
                    "Find out whether the server's certificate was renewed. If so, give the new fingerprint; if not, somebody stands between you and the server.")
                : Make(StoreCertificateRefused, NataliaErrorKind.Security, $"The TLS connection to {server} is not trusted: {tls.Message}",
                    "Make this machine trust the authority that signed the server's certificate, or pin the certificate by its SHA-256 fingerprint. If the server speaks plain http, say so in the endpoint.");
        if (Find<SocketException>(error) is SocketException socket)
        {
            if (!connected && socket.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain)
                return Make(StoreEndpointNotFound, NataliaErrorKind.Connection, $"There is no server called {server}: {socket.Message}", "Check the endpoint for typing errors, and this machine's name resolution.");
            return Make(StoreUnavailable, NataliaErrorKind.Connection, $"The server {server} cannot be reached: {socket.Message}", "Check that the server runs, the port in the endpoint, and the network and firewalls between.");
        }
        if (error is AmazonServiceException service && service.StatusCode != 0) return FromAnswer(service, options, place, server, writing, connected);
        if (Find<HttpRequestException>(error) is not null || Find<IOException>(error) is not null || Find<WebException>(error) is not null)
            return Make(StoreUnavailable, NataliaErrorKind.Connection, $"The connection to {server} broke: {Deepest(error).Message}", "Check the network between this machine and the server, then run the operation again.");
        if (Find<System.Xml.XmlException>(error) is not null || error is AmazonUnmarshallingException)
            return Make(StoreEndpointInvalid, NataliaErrorKind.Connection, $"What answers at {server} is no S3 server: its answer cannot be read.", "Check host and port of the endpoint: the web console of a server often has another port than its S3 service.");
        // The SDK found no credentials to sign with: there was no answer, because nothing was sent.
        if (error is AmazonClientException && options.AccessKey is null)
            return Make(StoreCredentialMissing, NataliaErrorKind.Authentication, $"There are no credentials for {options.Location}: {error.Message}",
                "Give an access key and its secret, or provide them to the SDK: environment variables, a profile, or a role of the machine.");
        return Make(writing ? StoreWriteFailed : StoreReadFailed, writing ? NataliaErrorKind.WriteFailed : NataliaErrorKind.ReadFailed, $"The request for '{place}' failed: {error.Message}");
    }

    internal static NataliaException Stalled(S3StoreOptions options, string? name, Exception error) =>
        new(StoreUnavailable, NataliaErrorKind.Timeout, $"A request to {options.Endpoint?.Authority ?? "AWS"} made no progress for {options.StallTimeout.TotalSeconds:0.#} seconds.",
            name is null ? options.Location : $"{options.Location}/{name}", "Check the network between this machine and the server, then run the operation again.", error);

    private static NataliaException FromAnswer(AmazonServiceException error, S3StoreOptions options, string place, string server, bool writing, bool connected)
    {
        NataliaException Make(string id, NataliaErrorKind kind, string what, string? advice = null) => new(id, kind, what, place, advice, error);
        string said = string.IsNullOrEmpty(error.ErrorCode) ? $"HTTP {(int)error.StatusCode}" : $"{error.ErrorCode}: {error.Message}";
        switch (error.ErrorCode)
        {
            case "NoSuchKey" or "NoSuchVersion":
                return Make(ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{place}'.");
            case "NoSuchBucket":
                return Make(BucketNotFound, NataliaErrorKind.NotFound, $"There is no bucket '{options.Bucket}' at {server}.", "Check the name, the endpoint and the region. For an immutable repository, make the bucket with object lock: it cannot be added later everywhere.");
            case "InvalidAccessKeyId" or "SignatureDoesNotMatch" or "InvalidToken" or "ExpiredToken" or "TokenRefreshRequired" or "InvalidSecurity" or "NotSignedUp":
                return Make(StoreCredentialRefused, NataliaErrorKind.Authentication, $"The server {server} refuses the credentials ({error.ErrorCode}).", "Check the access key and its secret, and whether they have expired.");
            case "RequestTimeTooSkewed" or "RequestExpired":
                return Make(StoreClockSkewed, NataliaErrorKind.InvalidOperation, $"The clock of this machine is too far from the clock of {server}: {error.Message}", "Set this machine's clock (in UTC), and let it be kept by NTP.");
            case "AuthorizationHeaderMalformed" or "PermanentRedirect" or "TemporaryRedirect" or "IllegalLocationConstraintException" or "IncorrectEndpoint":
                return Make(BucketRegionWrong, NataliaErrorKind.InvalidArgument, $"The bucket '{options.Bucket}' is not in the region '{options.Region ?? "us-east-1"}': {error.Message}", "Give the region in which the bucket was made.");
            case "SlowDown" or "ServiceUnavailable" or "Throttling" or "ThrottlingException" or "RequestLimitExceeded" or "TooManyRequests" or "BandwidthLimitExceeded":
                return Make(StoreThrottled, NataliaErrorKind.ResourceBusy, $"The server {server} asks for fewer requests ({error.ErrorCode}).", "Run fewer backups at once, or wait.");
            case "QuotaExceeded" or "XMinioStorageFull" or "XMinioAdminBucketQuotaExceeded" or "InsufficientStorage" or "StorageFull":
                return Make(StoreFull, NataliaErrorKind.ResourceUnavailable, $"There is no room left in '{options.Location}': {said}", "Free space or raise the quota there. What was stored before is unharmed.");
            case "InvalidObjectState":
                return Make(ObjectArchived, NataliaErrorKind.ResourceUnavailable, $"The object '{place}' lies in an archive class and must be thawed before it is read.", "Ask for a thaw, and run the operation again when it is done; that takes minutes to days.");
            case "AccessDenied" or "AllAccessDisabled" or "AccountProblem":
                return Make(StoreAccessDenied, NataliaErrorKind.PermissionDenied, $"The server {server} denies {(writing ? "a change of" : "access to")} '{place}': {said}",
                    "Give the account the rights to list the bucket and its versions, to read its versioning and object lock, and to get, put and delete objects and versions there.");
        }
        return error.StatusCode switch
        {
            // A web server that is no S3 server answers with a page instead of an error code.
            _ when !connected && LooksForeign(error) && error.StatusCode < HttpStatusCode.InternalServerError && error.StatusCode != (HttpStatusCode)429 => Foreign(options, server, said, error),
            (HttpStatusCode)429 => Make(StoreThrottled, NataliaErrorKind.ResourceBusy, $"The server {server} asks for fewer requests.", "Run fewer backups at once, or wait."),
            (HttpStatusCode)507 => Make(StoreFull, NataliaErrorKind.ResourceUnavailable, $"There is no room left in '{options.Location}': {said}", "Free space or raise the quota there. What was stored before is unharmed."),
            HttpStatusCode.Moved or HttpStatusCode.Redirect or HttpStatusCode.TemporaryRedirect => Make(BucketRegionWrong, NataliaErrorKind.InvalidArgument, $"The server {server} sends requests for the bucket '{options.Bucket}' elsewhere ({said}).", "Check the region and the endpoint."),
            HttpStatusCode.Forbidden => Make(StoreAccessDenied, NataliaErrorKind.PermissionDenied, $"The server {server} denies {(writing ? "a change of" : "access to")} '{place}': {said}", "Check the rights of the account."),
            HttpStatusCode.NotFound => Make(ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{place}'."),
            >= HttpStatusCode.InternalServerError => Make(StoreUnavailable, NataliaErrorKind.Connection, $"The server {server} has trouble of its own: {said}", "Try again later; look into the server's log."),
            _ => Make(writing ? StoreWriteFailed : StoreReadFailed, writing ? NataliaErrorKind.WriteFailed : NataliaErrorKind.ReadFailed, $"The server {server} refuses the request for '{place}': {said}"),
        };
    }

    internal static NataliaException Foreign(S3StoreOptions options, string server, string said, Exception? error) =>
        new(StoreEndpointInvalid, NataliaErrorKind.Connection, $"What answers at {server} is no S3 server ({said}).", options.Location,
            "Check host and port of the endpoint: the web console of a server often has another port than its S3 service; and whether it speaks http or https.", error);

    private static bool LooksForeign(AmazonServiceException error) => string.IsNullOrEmpty(error.ErrorCode) || error.ErrorCode == ((int)error.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture) || error.ErrorCode == error.StatusCode.ToString() || string.IsNullOrEmpty(error.RequestId);

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
