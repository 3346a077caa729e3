using System.Net;
using Amazon.Runtime;
using Amazon.S3.Model;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

public sealed partial class S3Store
{
    private S3Route _route;

    /// <summary>Where requests name the bucket, after it was found out.</summary>
    public S3AddressingStyle AddressingStyle { get; private set; }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        await FindAddressAsync(cancellationToken).ConfigureAwait(false);
        _connected = true;
        _versioned = await IsVersionedAsync(cancellationToken).ConfigureAwait(false);
        // At AWS it is known; on a versioned bucket a condition decides nothing.
        if (_versioned || _options.Endpoint is null) _honours = !_versioned;
        if (_versioned || _options.LockMode is not null) await ReadObjectLockAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task FindAddressAsync(CancellationToken cancellationToken)
    {
        if (_provider is null)
        {
            AddressingStyle = _options.AddressingStyle == S3AddressingStyle.Path ? S3AddressingStyle.Path : S3AddressingStyle.Virtual;
            await LookAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        NataliaException? refusal = null;
        IReadOnlyList<S3Address> ways = S3Address.Candidates(_options);
        for (int i = 0; i < ways.Count; i++)
        {
            _provider.Address = ways[i];
            _route = S3Route.To(_options, ways[i], _http.Proxy);
            AddressingStyle = ways[i].Style;
            try
            {
                await LookAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (NataliaException error) when (refusal is not null || (i + 1 < ways.Count && MayWantOtherStyle(error, ways[i + 1])))
            {
                // What the second way says of keys and rights comes from a server that knows the bucket; else the first is what was asked for.
                if (refusal is null || error.ErrorId is ErrorIds.StoreCredentialRefused or ErrorIds.StoreAccessDenied or ErrorIds.StoreClockSkewed or ErrorIds.BucketRegionWrong) refusal = error;
            }
        }
        throw refusal!;
    }

    /// <summary>Whether a server may have refused the bucket for where it was named.</summary>
    private static bool MayWantOtherStyle(NataliaException error, S3Address other) => error.ErrorId switch
    {
        ErrorIds.BucketNotFound or ErrorIds.StoreEndpointInvalid or ErrorIds.StoreReadFailed => true,
        // Servers have codes of their own for it, such as SecondLevelDomainForbidden.
        ErrorIds.StoreAccessDenied => error.InnerException is AmazonServiceException { ErrorCode: not ("AccessDenied" or "Forbidden" or "AllAccessDisabled" or "AccountProblem") },
        ErrorIds.BucketRegionWrong or ErrorIds.StoreRedirected => S3Errors.FindRedirect(error) is S3RedirectException { Region: null } redirect
            && (redirect.Host is null || redirect.Host.EndsWith(other.Base.Authority, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = _options.KeyPrefix, MaxKeys = 1 };
        ListObjectsV2Response answer;
        try
        {
            answer = await SendAsync(null, S3Call.List, Meter.List, t => _client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
        {
            throw new NataliaException(ErrorIds.StoreEndpointInvalid, NataliaErrorKind.InvalidArgument,
                $"Asked for the bucket '{_options.Bucket}', the server {_route.Server} looks for an object of that name: the endpoint '{_options.Endpoint}' seems to name a bucket already.", Location,
                "Give the server alone as -Endpoint, such as https://s3.example.com, the bucket as -Bucket, and what keys begin with as -Prefix.", error);
        }
        RequireOwnList(answer.Name);
    }

    // The SDK reads any page of XML, a proxy's or a portal's, as an empty list; a real one names its bucket.
    private void RequireOwnList(string? bucket)
    {
        if (bucket != _options.Bucket) throw S3Errors.Foreign(_options, _route.Server, "its list does not name the bucket", null);
    }

    private async Task<bool> IsVersionedAsync(CancellationToken cancellationToken)
    {
        try
        {
            GetBucketVersioningResponse versioning = await SendAsync(null, S3Call.Versioning, Meter.Stat, t => _client.GetBucketVersioningAsync(_options.Bucket, t), cancellationToken).ConfigureAwait(false);
            // A suspended bucket still holds the versions of before.
            return versioning.VersioningConfig?.Status?.Value is "Enabled" or "Suspended";
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { ErrorCode: "NotImplemented" })
        {
            return false;
        }
    }

    private async Task ReadObjectLockAsync(CancellationToken cancellationToken)
    {
        ObjectLockConfiguration? configuration = null;
        try
        {
            var request = new GetObjectLockConfigurationRequest { BucketName = _options.Bucket };
            configuration = (await SendAsync(null, S3Call.LockConfiguration, Meter.Stat, t => _client.GetObjectLockConfigurationAsync(request, t), cancellationToken).ConfigureAwait(false)).ObjectLockConfiguration;
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { ErrorCode: "ObjectLockConfigurationNotFoundError" or "InvalidRequest" or "NotImplemented" or "NoSuchObjectLockConfiguration" or "InvalidBucketState" })
        {
            // Said below, in the product's words.
        }
        catch (NataliaException error) when (_options.LockMode is null && error.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.ObjectNotFound)
        {
            // Who sets no locks needs no right to read this. Whether the bucket sets some is then not known.
        }
        if (_options.LockMode is not null && (configuration?.ObjectLockEnabled?.Value != "Enabled" || !_versioned))
            throw new NataliaException(ErrorIds.BucketWithoutObjectLock, NataliaErrorKind.NotSupported, $"The bucket '{_options.Bucket}' was made without object lock, so nothing in it can be made immutable.", Location,
                "Make a bucket with object lock and use that one; most servers cannot add it to an existing bucket.");
        DefaultRetention? retention = configuration?.Rule?.DefaultRetention;
        if (retention is not null) DefaultRetentionDays = retention.Days is int days and > 0 ? days : retention.Years is int years and > 0 ? years * 365 : null;
    }

    // Some servers ignore the condition and answer 200: two writers would both believe that they hold a lease.
    private async Task ProbeConditionsAsync(CancellationToken cancellationToken)
    {
        await _probing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_honours is null) _honours = await HonoursConditionsAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _probing.Release();
        }
    }

    /// <summary>Whether conditions are honoured; null when it could not be told, because there was no room for a second try.</summary>
    private async Task<bool?> HonoursConditionsAsync(CancellationToken cancellationToken)
    {
        // Begins with a dot, so it is never listed as an object.
        string name = ".probe-" + Guid.NewGuid().ToString("n");
        PutObjectRequest Request() => new() { BucketName = _options.Bucket, Key = Key(name), IfNoneMatch = "*", InputStream = new MemoryStream([1]), MD5Digest = Md5([1]), UseChunkEncoding = false };
        try
        {
            await SendAsync(name, S3Call.Put, () => Meter.Put(1), t => _client.PutObjectAsync(Request(), t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { ErrorCode: "NotImplemented" })
        {
            return false;
        }
        catch (NataliaException error) when (Engine.Storage.Wrappers.RetryPolicy.IsTransient(error))
        {
            // It may have arrived all the same.
            try { await RemoveProbeAsync(name).ConfigureAwait(false); }
            catch (NataliaException) { }
            throw;
        }
        try
        {
            await SendAsync(name, S3Call.Put, () => Meter.Put(1), t => _client.PutObjectAsync(Request(), t), cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed })
        {
            return true;
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreFull)
        {
            // Quotas are looked at before conditions. The next put tries again; this one carries the condition, and looks first.
            return null;
        }
        finally
        {
            await RemoveProbeAsync(name).ConfigureAwait(false);
        }
    }

    private async Task RemoveProbeAsync(string name)
    {
        try
        {
            await DeleteVersionAsync(name, null, CancellationToken.None).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied)
        {
            // Who may not delete leaves one byte there, which nobody lists. The first deletion that matters says which right is missing.
        }
    }
}
