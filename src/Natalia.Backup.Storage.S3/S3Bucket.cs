using Amazon.Runtime;
using Amazon.S3.Model;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

/// <summary>What a bucket says of itself when it is connected.</summary>
internal sealed class S3Bucket
{
    private readonly S3Requests _requests;
    private readonly bool _hasLocks;
    private readonly NataliaException? _refusal;

    private S3Bucket(S3Requests requests, string? versioning, ObjectLockConfiguration? locks,
        NataliaException? refusal)
    {
        (_requests, _refusal) = (requests, refusal);
        (IsVersioned, KeepsNewVersions) = (versioning is not null, versioning == "Enabled");
        _hasLocks = IsVersioned && locks?.ObjectLockEnabled?.Value == "Enabled";
        DefaultRetention? retention = locks?.Rule?.DefaultRetention;
        if (retention is not null)
            DefaultRetentionDays = retention.Days is int days and > 0 ? days : retention.Years is int years and > 0
                ? years * 365 : null;
    }

    /// <summary>True when the bucket keeps old versions, those of before its versioning was suspended
    /// included.</summary>
    internal bool IsVersioned { get; }

    /// <summary>True when a put makes a version beside those that are there. Where versioning is suspended, it takes
    /// the place of what was put since.</summary>
    internal bool KeepsNewVersions { get; }

    /// <summary>How many days the bucket itself locks every new object; null when it does not, or when that is not
    /// known.</summary>
    internal int? DefaultRetentionDays { get; }

    /// <summary>Finds the bucket, and asks what it can do.</summary>
    internal static async Task<S3Bucket> ConnectAsync(S3Requests requests, CancellationToken cancellationToken)
    {
        await FindAddressAsync(requests, cancellationToken).ConfigureAwait(false);
        requests.IsConnected = true;
        string? versioning = await FindVersioningAsync(requests, cancellationToken).ConfigureAwait(false);
        // Only a bucket with versions has locks.
        if (versioning is null) return new S3Bucket(requests, null, null, null);
        try
        {
            return new S3Bucket(requests, versioning,
                await ReadLocksAsync(requests, cancellationToken).ConfigureAwait(false), null);
        }
        catch (NataliaException error) when (error.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.ObjectNotFound)
        {
            // Who sets no locks needs no right to read this. Whether the bucket sets some is then not known.
            return new S3Bucket(requests, versioning, null, error);
        }
    }

    /// <summary>Makes sure that locks can be set.</summary>
    /// <exception cref="NataliaException"><c>BucketWithoutObjectLock</c>, <c>StoreAccessDenied</c>.</exception>
    internal void RequireLocks()
    {
        if (_refusal is not null) throw _refusal;
        if (!_hasLocks)
            throw new NataliaException(ErrorIds.BucketWithoutObjectLock, NataliaErrorKind.NotSupported,
                $"The bucket '{_requests.Bucket}' was made without object lock, so nothing in it can be made "
                    + $"immutable.", _requests.Location,
                "Make a bucket with object lock and use that one; most servers cannot add it to an existing bucket.");
    }

    private static async Task FindAddressAsync(S3Requests requests, CancellationToken cancellationToken)
    {
        if (requests.Provider is null)
        {
            requests.AddressingStyle = requests.Options.AddressingStyle == S3AddressingStyle.Path
                ? S3AddressingStyle.Path : S3AddressingStyle.Virtual;
            await LookAsync(requests, cancellationToken).ConfigureAwait(false);
            return;
        }
        NataliaException? refusal = null;
        IReadOnlyList<S3Address> ways = S3Address.Candidates(requests.Options);
        for (int i = 0; i < ways.Count; i++)
        {
            requests.Take(ways[i]);
            try
            {
                await LookAsync(requests, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (NataliaException error)
                when (refusal is not null || (i + 1 < ways.Count && MayWantOtherStyle(error, ways[i + 1])))
            {
                // What the second way says of keys and rights comes from a server that knows the bucket; else the first
                // is what was asked for.
                if (refusal is null
                    || error.ErrorId is ErrorIds.StoreCredentialRefused or ErrorIds.StoreAccessDenied
                        or ErrorIds.StoreClockSkewed or ErrorIds.BucketRegionWrong)
                    refusal = error;
            }
        }
        throw refusal!;
    }

    /// <summary>Whether a server may have refused the bucket for where it was named.</summary>
    private static bool MayWantOtherStyle(NataliaException error, S3Address other) => error.ErrorId switch
    {
        ErrorIds.BucketNotFound or ErrorIds.StoreEndpointInvalid or ErrorIds.StoreReadFailed => true,
        // Servers have codes of their own for it, such as SecondLevelDomainForbidden.
        ErrorIds.StoreAccessDenied =>
            error.InnerException
                is AmazonServiceException
            {
                ErrorCode: not ("AccessDenied" or "Forbidden" or "AllAccessDisabled"
                    or "AccountProblem")
            },
        ErrorIds.BucketRegionWrong or ErrorIds.StoreRedirected =>
            S3Errors.FindRedirect(error) is S3RedirectException { Region: null } redirect
            && (redirect.Host is null
                || redirect.Host.EndsWith(other.Base.Authority, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };

    private static async Task LookAsync(S3Requests requests, CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request
        {
            BucketName = requests.Bucket,
            Prefix = requests.Options.KeyPrefix,
            MaxKeys = 1
        };
        ListObjectsV2Response answer;
        try
        {
            answer = await requests.SendAsync(null, S3Call.List, requests.Meter.List, t =>
                requests.Client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
        {
            throw new NataliaException(ErrorIds.StoreEndpointInvalid, NataliaErrorKind.InvalidArgument,
                $"Asked for the bucket '{requests.Bucket}', the server {requests.Route.Server} looks for an object of "
                    + $"that name: the endpoint '{requests.Options.Endpoint}' seems to name a bucket already.",
                    requests.Location,
                "Give the server alone as -Endpoint, such as https://s3.example.com, the bucket as -Bucket, and what "
                    + "keys begin with as -Prefix.", error);
        }
        requests.RequireOwnList(answer.Name);
    }

    /// <summary>Enabled or Suspended; null for a plain bucket.</summary>
    private static async Task<string?> FindVersioningAsync(S3Requests requests, CancellationToken cancellationToken)
    {
        try
        {
            GetBucketVersioningResponse versioning = await requests.SendAsync(null, S3Call.Versioning,
                requests.Meter.Stat, t => requests.Client.GetBucketVersioningAsync(requests.Bucket, t),
                cancellationToken).ConfigureAwait(false);
            // A suspended bucket still holds the versions of before.
            return versioning.VersioningConfig?.Status?.Value is string status and ("Enabled" or "Suspended")
                ? status
                : null;
        }
        catch (NataliaException error)
            when (error.InnerException is AmazonServiceException { ErrorCode: "NotImplemented" })
        {
            return null;
        }
    }

    private static async Task<ObjectLockConfiguration?> ReadLocksAsync(S3Requests requests,
        CancellationToken cancellationToken)
    {
        try
        {
            var request = new GetObjectLockConfigurationRequest { BucketName = requests.Bucket };
            return (await requests.SendAsync(null, S3Call.LockConfiguration, requests.Meter.Stat, t =>
                requests.Client.GetObjectLockConfigurationAsync(request, t),
                cancellationToken).ConfigureAwait(false)).ObjectLockConfiguration;
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException
        {
            ErrorCode: "ObjectLockConfigurationNotFoundError" or "InvalidRequest" or "NotImplemented"
                or "NoSuchObjectLockConfiguration" or "InvalidBucketState"
        })
        {
            return null;
        }
    }
}
