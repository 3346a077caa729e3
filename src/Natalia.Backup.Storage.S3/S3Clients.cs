using System.Net;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

/// <summary>Sets the SDK's client up so that it works with servers other than AWS too.</summary>
internal static class S3Clients
{
    /// <param name="options">What was asked for.</param>
    /// <param name="http">What carries the requests.</param>
    /// <param name="provider">Tells where the bucket is; null at AWS, where the SDK knows it.</param>
    internal static IAmazonS3 Create(S3StoreOptions options, S3HttpClients http, out S3EndpointProvider? provider)
    {
        provider = null;
        string region = FindRegion(options);
        var config = new AmazonS3Config
        {
            HttpClientFactory = http,
            // The wrapper around the store repeats; two layers of it would multiply.
            MaxErrorRetry = 0,
            MaxStaleConnectionRetries = 0,
            // A wrong clock is the user's to know: it also dates locks.
            DisableClockSkewCorrection = true,
            // The newer checksums are refused or left unverified by other servers; the puts bring hashes that are
            // verified everywhere.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            // With the SDK's 8 KiB an upload takes nearly twice the processor time.
            BufferSize = 256 << 10,
            // An AWS_ENDPOINT_URL of the environment must not lead a repository elsewhere.
            IgnoreConfiguredEndpointUrls = true,
            AuthenticationRegion = region,
        };
        if (options.Endpoint is Uri endpoint)
        {
            config.ServiceURL = endpoint.AbsoluteUri;
            config.UseHttp = endpoint.Scheme == "http";
            config.ForcePathStyle = true;
            config.EndpointProvider = provider = new S3EndpointProvider(region);
        }
        else
        {
            config.ForcePathStyle = options.AddressingStyle == S3AddressingStyle.Path;
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }
        if (options.AccessKey is null) return new AmazonS3Client(config);
        return new AmazonS3Client(new BasicAWSCredentials(options.AccessKey,
            new NetworkCredential("", options.SecretKey).Password),
            config);
    }

    /// <summary>The region that requests are signed for.</summary>
    internal static string FindRegion(S3StoreOptions options) =>
        options.Region ?? (options.Endpoint is Uri named ? S3Address.AwsRegion(named) : null)
            ?? (options.Endpoint is null
                ? Environment.GetEnvironmentVariable("AWS_REGION")
                    ?? Environment.GetEnvironmentVariable("AWS_DEFAULT_REGION")
                : null)
            ?? "us-east-1";

    /// <summary>Refuses what cannot work, before anything is sent.</summary>
    internal static byte[]? Validate(S3StoreOptions options)
    {
        S3Text.Require(options);
        if (options.AccessKey is null != options.SecretKey is null)
            throw new ArgumentException(
                "An access key and its secret belong together; leave both out to use the SDK's own chain.",
                nameof(options));
        if (options.KeyPrefix.Length > 300 || Array.Exists(options.KeyPrefix.ToCharArray(), char.IsControl)
            || options.KeyPrefix.Contains("//"))
            throw new ArgumentException($"'{options.Prefix}' cannot be a prefix.", nameof(options));
        if (options.StallTimeout <= TimeSpan.Zero)
            throw new ArgumentException("The time without progress must be more than zero.", nameof(options));
        if (options.Endpoint is Uri asked && S3Text.FindEndpointFault(asked) is string fault)
            throw new NataliaException(ErrorIds.StoreEndpointInvalid, NataliaErrorKind.InvalidArgument,
                $"The endpoint {fault}.", options.Location,
                "Copying often brings blanks, line ends and quotation marks along: give it as https://host or "
                + "https://host:port.");
        if (options.Endpoint is Uri endpoint
            && (!endpoint.IsAbsoluteUri || endpoint.Scheme is not ("http" or "https") || endpoint.UserInfo.Length > 0))
            throw new NataliaException(ErrorIds.StoreEndpointInvalid, NataliaErrorKind.InvalidArgument,
                $"'{Shown(endpoint)}' is not the address of an S3 server.",
                options.Location,
                "Give it as https://host or https://host:port, without a user.");
        if (options.ServerCertificateThumbprint is not string text) return null;
        var thumbprint = new byte[32];
        if (!Hex.TryParse(text.Replace(":", "").Replace(" ", "").ToLowerInvariant(), thumbprint))
            throw new ArgumentException("A certificate's SHA-256 fingerprint has 64 hexadecimal digits.",
                nameof(options));
        return thumbprint;
    }

    /// <summary>An address without what may be secret in it.</summary>
    private static string Shown(Uri endpoint) => endpoint.IsAbsoluteUri
        ? endpoint.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)
        : endpoint.ToString();
}
