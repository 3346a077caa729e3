using System.Net;
using Amazon.Runtime;
using Amazon.S3.Model;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

/// <summary>Whether a server honours conditional puts. At AWS it is known, where new versions are kept a condition
/// decides nothing; else it is tried before the first put. Thread-safe.</summary>
internal sealed class S3Conditions : IDisposable
{
    private readonly S3Requests _requests;
    private readonly string? _probeVersion;
    private readonly SemaphoreSlim _probing = new(1, 1);

    // Null until a put needs to know.
    private volatile object? _honours;

    internal S3Conditions(S3Requests requests, S3Bucket bucket)
    {
        _requests = requests;
        // What is put where versioning is suspended has this for its version; deleted without it, it would leave a
        // marker.
        _probeVersion = bucket.IsVersioned ? "null" : null;
        if (bucket.KeepsNewVersions || requests.Options.Endpoint is null) _honours = !bucket.KeepsNewVersions;
    }

    /// <summary>What was found; null before.</summary>
    internal bool? AreHonoured => (bool?)_honours;

    public void Dispose() => _probing.Dispose();

    // Some servers ignore the condition and answer 200: two writers would both believe that they hold a lease.
    internal async Task EnsureKnownAsync(CancellationToken cancellationToken)
    {
        if (_honours is not null) return;
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

    /// <summary>Whether conditions are honoured; null when it could not be told, because there was no room for a second
    /// try.</summary>
    private async Task<bool?> HonoursConditionsAsync(CancellationToken cancellationToken)
    {
        // Begins with a dot, so it is never listed as an object.
        string name = ".probe-" + Guid.NewGuid().ToString("n");
        PutObjectRequest Request() =>
            new()
            {
                BucketName = _requests.Bucket,
                Key = _requests.Key(name),
                IfNoneMatch = "*",
                InputStream = new MemoryStream([1]),
                MD5Digest = S3Md5.Text([1]),
                UseChunkEncoding = false
            };
        try
        {
            await _requests.SendAsync(name, S3Call.Put, () => _requests.Meter.Put(1), t =>
                _requests.Client.PutObjectAsync(Request(), t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error)
            when (error.InnerException is AmazonServiceException { ErrorCode: "NotImplemented" })
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
            await _requests.SendAsync(name, S3Call.Put, () => _requests.Meter.Put(1), t =>
                _requests.Client.PutObjectAsync(Request(), t), cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (NataliaException error)
            when (error.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed })
        {
            return true;
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreFull)
        {
            // Quotas are looked at before conditions. The next put tries again; this one carries the condition, and
            // looks first.
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
            var request = new DeleteObjectRequest
            {
                BucketName = _requests.Bucket,
                Key = _requests.Key(name),
                VersionId = _probeVersion,
            };
            S3Call call = _probeVersion is null ? S3Call.Delete : S3Call.DeleteVersion;
            await _requests.SendAsync(name, call, _requests.Meter.Delete, t =>
                _requests.Client.DeleteObjectAsync(request, t), CancellationToken.None).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.ObjectNotFound)
        {
            // Who may not delete leaves one byte there, which nobody lists. The first deletion that matters says which
            // right is missing.
        }
    }
}
