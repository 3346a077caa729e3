using System.Net;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

/// <summary>One way to reach a bucket of a server other than AWS: the address that keys are appended to.</summary>
internal sealed record S3Address(Uri Base, S3AddressingStyle Style)
{
    internal string Url => Base.AbsoluteUri.TrimEnd('/');

    /// <summary>
    /// The ways that may be meant, in the order in which they are tried. None of them asks a host that the endpoint
    /// does not name, but for the bucket's name before it.
    /// </summary>
    /// <exception cref="NataliaException"><c>StoreEndpointInvalid</c>: the endpoint or the style cannot be
    /// meant.</exception>
    internal static IReadOnlyList<S3Address> Candidates(S3StoreOptions options)
    {
        Uri endpoint = options.Endpoint!;
        string bucket = options.Bucket;
        if (endpoint.Query.Length > 0 || endpoint.Fragment.Length > 0)
            throw Invalid($"The endpoint '{endpoint}' has something behind a '?' or '#'.",
                "Give it as https://host or https://host:port.");
        string[] path = Uri.UnescapeDataString(endpoint.AbsolutePath)
            .Split(['/'], StringSplitOptions.RemoveEmptyEntries);
        int at = Array.IndexOf(path, bucket);
        // What stands before the bucket may be a gateway's own path; what stands behind it is a prefix, of which only
        // its owner can say that it is meant.
        if (at >= 0 && at < path.Length - 1)
            throw Invalid($"The endpoint '{endpoint}' names the bucket '{bucket}' and what keys begin with.",
                $"Give the server alone as the endpoint ({Server(endpoint)}), and -Prefix "
                + $"'{string.Join("/", path.Skip(at + 1))}'.");
        if (at >= 0) path = [.. path.Take(at)];
        string root = string.Concat(path.Select(p => Uri.EscapeDataString(p) + "/"));
        S3Address inPath = new(new Uri(Server(endpoint) + "/" + root + Uri.EscapeDataString(bucket)),
            S3AddressingStyle.Path);
        bool isAddress = endpoint.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6;
        bool canBeHost = CanBeHost(bucket);
        // The host may be the bucket's own already: then it is asked as it is.
        bool namesBucket = canBeHost && endpoint.Host.StartsWith(bucket + ".", StringComparison.OrdinalIgnoreCase);
        S3Address inHost = new(namesBucket
            ? new Uri(Server(endpoint) + "/" + root)
            : isAddress || !canBeHost
                ? endpoint
                : new UriBuilder(Server(endpoint) + "/" + root) { Host = bucket + "." + endpoint.Host }.Uri,
            S3AddressingStyle.Virtual);
        switch (options.AddressingStyle)
        {
            case S3AddressingStyle.Path:
                return [inPath];
            case S3AddressingStyle.Virtual when isAddress:
                throw Invalid($"The endpoint '{endpoint.Host}' is an address, before which no bucket's name can stand.",
                    "Give the server's name instead of its address, or -AddressingStyle Path.");
            case S3AddressingStyle.Virtual when !canBeHost:
                throw Invalid($"The bucket's name '{bucket}' cannot be part of a host name, which has only small "
                    + "letters, digits, dots and hyphens.",
                    "Give -AddressingStyle Path.");
            case S3AddressingStyle.Virtual:
                return [inHost];
        }
        if (isAddress || IsLocal(endpoint.Host) || !canBeHost) return [inPath];
        // A certificate for *.host covers one label: where names are checked by TLS, a name with dots works in the path
        // alone.
        bool isCovered = endpoint.Scheme != "https" || !bucket.Contains('.')
            || options.ServerCertificateThumbprint is not null;
        if (IsAws(endpoint.Host) && (isCovered || namesBucket)) return [inHost];
        return isCovered || namesBucket ? [inPath, inHost] : [inPath];

        NataliaException Invalid(string what, string advice) =>
            new(ErrorIds.StoreEndpointInvalid, NataliaErrorKind.InvalidArgument, what, options.Location, advice);
    }

    /// <summary>The region that an endpoint of AWS names, or null.</summary>
    internal static string? AwsRegion(Uri endpoint)
    {
        if (!IsAws(endpoint.Host)) return null;
        string[] labels = endpoint.Host.ToLowerInvariant().Split('.');
        int service = Array.FindLastIndex(labels, l => l == "s3" || l.StartsWith("s3-", StringComparison.Ordinal));
        if (service < 0) return null;
        string suffix = labels[service].Substring(2);
        if (suffix == "-fips" || suffix.StartsWith("-fips-", StringComparison.Ordinal)) suffix = suffix.Substring(5);
        // These name none: the first is for buckets anywhere, the second the old name of the first region.
        if (suffix is "-accelerate" or "-external-1") return null;
        if (suffix.Length > 1) return suffix.Substring(1);
        string next = labels[service + 1] == "dualstack" ? labels[service + 2] : labels[service + 1];
        return next == "amazonaws" ? null : next;
    }

    private static bool IsAws(string host) =>
        host.EndsWith(".amazonaws.com", StringComparison.OrdinalIgnoreCase)
        || host.EndsWith(".amazonaws.com.cn", StringComparison.OrdinalIgnoreCase);

    private static bool IsLocal(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || IPAddress.TryParse(host.Trim('[', ']'), out _);

    private static bool CanBeHost(string bucket) =>
        bucket.Length <= 63 && bucket.All(c => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '.' or '-')
        && bucket.Split('.').All(l => l.Length > 0 && l[0] != '-' && l[l.Length - 1] != '-')
        && !IPAddress.TryParse(bucket, out _);

    private static string Server(Uri endpoint) =>
        endpoint.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
}
