using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using LockMode = Natalia.Backup.Engine.Storage.ObjectLockMode;

namespace Natalia.Backup.Storage.S3;

/// <summary>A repository's objects in a bucket: AWS, Wasabi, MinIO, Ceph and what else speaks S3.</summary>
/// <remarks>
/// <para><b>Versioned buckets</b> (all with object lock) never forget: a later put shadows an object and a delete marker hides it. This store therefore lists versions, reads and deletes by version id, takes the <i>first</i>
/// version of a key as the object, and ignores delete markers: whoever may write into the bucket can neither replace nor hide what is there. Such a bucket has no exclusive create.</para>
/// <para><b>Plain buckets</b> get conditional puts. Whether the server honours them is tried when the store is opened, except on AWS.</para>
/// <para><b>Locks</b> are read back after every put that asks for one: servers exist that answer 200 and lock nothing. No multipart upload is used, because there the lock is most often lost; a put is one request.</para>
/// <para><b>Integrity.</b> Each put carries a hash of its body that the server verifies: a Content-MD5 over TLS, a signed SHA-256 over plain http. The repository's own hashes guard the rest.</para>
/// <para>Does not retry: wrap it in a <see cref="RetryStore"/>. Never lifts or bypasses a lock.</para>
/// </remarks>
public sealed class S3Store : IObjectStore, IObjectLock, IObjectArchive, IMeteredStore, IPlacedStore
{
    private const long LargestPut = 5L << 30;

    private readonly S3StoreOptions _options;
    private readonly IAmazonS3 _client;
    private readonly S3HttpClients _http;
    private readonly TimeProvider _clock;
    private readonly FirstVersions _firstVersions = new();
    // Names whose put ended without a clear answer: it may have made a version all the same.
    private readonly ConcurrentDictionary<string, bool> _unclear = new(StringComparer.Ordinal);
    private bool _connected;
    private bool _versioned;
    private bool _conditional;

    private S3Store(S3StoreOptions options, TimeProvider clock)
    {
        byte[]? thumbprint = S3Clients.Validate(options);
        _options = options;
        _clock = clock;
        _http = new S3HttpClients(thumbprint);
        _client = S3Clients.Create(options, _http);
    }

    /// <summary>Connects to a bucket and finds out what it can do. Leaves nothing there.</summary>
    /// <param name="options">Which bucket, and how.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="clock">The clock; null takes the system's.</param>
    /// <exception cref="NataliaException"><c>BucketNotFound</c>, <c>BucketRegionWrong</c>, <c>BucketWithoutObjectLock</c>, <c>StoreCredentialRefused</c>, <c>StoreCredentialMissing</c>, <c>StoreClockSkewed</c>, <c>StoreCertificateRefused</c>,
    /// <c>StoreEndpointNotFound</c>, <c>StoreEndpointInvalid</c>, <c>StoreAccessDenied</c>, <c>StoreUnavailable</c>, <c>StoreThrottled</c>.</exception>
    /// <exception cref="ArgumentException">An option cannot be meant.</exception>
    public static async Task<S3Store> OpenAsync(S3StoreOptions options, CancellationToken cancellationToken, TimeProvider? clock = null)
    {
        var store = new S3Store(options, clock ?? TimeProvider.System);
        try
        {
            await store.ConnectAsync(cancellationToken).ConfigureAwait(false);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Location => _options.Location;

    /// <inheritdoc/>
    public string Kind => "S3";

    /// <inheritdoc/>
    public bool HasExclusiveCreate => _conditional;

    /// <summary>True when the bucket keeps old versions, so that space comes back only when every version of an object is deleted. This store does that.</summary>
    public bool IsVersioned => _versioned;

    /// <summary>How many days the bucket itself locks every new object, leases and probes included; null when it does not.</summary>
    public int? DefaultRetentionDays { get; private set; }

    /// <inheritdoc/>
    public StoreMeter Meter { get; } = new();

    /// <inheritdoc/>
    public IObjectLock? ObjectLock => _options.LockMode is null ? null : this;

    LockMode IObjectLock.Mode => _options.LockMode ?? LockMode.Governance;

    /// <inheritdoc/>
    public async Task PutAsync(string name, ObjectContent content, PutOptions options, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (options.RetainUntilUtc is not null && _options.LockMode is null)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported, $"'{Location}' was opened without immutability, so it sets no locks.", Location, "Open it with a lock mode.");
        if (content.Length > LargestPut)
            throw new NataliaException(ErrorIds.StoreWriteFailed, NataliaErrorKind.LimitExceeded, $"The object '{name}' of {content.Length} bytes is larger than the 5 GiB that one request may carry.", name);
        if (options.MustNotExist && !_conditional && await StatAsync(name, cancellationToken).ConfigureAwait(false) is not null) throw Exists(name);

        DateTime? until = options.RetainUntilUtc is DateTime asked ? WholeSecond(asked) : null;
        PutObjectResponse? response = await SendPutAsync(name, content, options, until, cancellationToken).ConfigureAwait(false);
        string? version = response?.VersionId;
        if (response is null)
        {
            // The name is taken. The same put again, after an answer that did not arrive, is no error.
            if (options.MustNotExist || !await HoldsAsync(name, content, cancellationToken).ConfigureAwait(false)) throw Exists(name);
        }
        else if (_versioned && version is not null)
        {
            // The version that counts, and whose lock counts, is the first one: an earlier attempt may have made it.
            if (_unclear.TryRemove(name, out _)) version = (await VersionsAsync(name, cancellationToken).ConfigureAwait(false)).FindLast(v => v.IsDeleteMarker != true)?.VersionId ?? version;
            // Writers fight for names of leases, so which version is first there must be asked each time.
            if (options.Class != ObjectClass.Transient) _firstVersions.Add(name, version);
        }
        if (until is DateTime wanted) await RequireLockAsync(name, version, wanted, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        if (offset < 0) throw new ArgumentOutOfRangeException(nameof(offset));
        cancellationToken.ThrowIfCancellationRequested();
        if (buffer.Length == 0)
            return await StatAsync(name, cancellationToken).ConfigureAwait(false) is null ? throw NotFound(name) : 0;
        return await AtFirstVersionAsync(name, async version =>
        {
            using var guard = new StallGuard(_options.StallTimeout, cancellationToken);
            return await TranslatedAsync(name, writing: false, guard, async () =>
            {
                GetObjectResponse response;
                try
                {
                    Meter.Read();
                    response = await _client.GetObjectAsync(new GetObjectRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version, ByteRange = new ByteRange(offset, offset + buffer.Length - 1) }, guard.Token).ConfigureAwait(false);
                }
                catch (AmazonS3Exception error) when (error.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
                {
                    return 0;
                }
                using (response)
                {
                    using var body = new ResponseStream(response.ResponseStream, guard, Meter);
                    int read = 0;
                    while (read < buffer.Length)
                    {
                        int count = await body.ReadAsync(buffer.Slice(read), guard.Token).ConfigureAwait(false);
                        if (count == 0) break;
                        read += count;
                    }
                    // Fewer bytes than announced is a broken connection, not the object's end.
                    long announced = Math.Min(response.ContentLength, buffer.Length);
                    if (read < announced) throw new IOException($"Only {read} of {announced} bytes arrived.");
                    return read;
                }
            }).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        return await AtFirstVersionAsync(name, async version =>
        {
            using var guard = new StallGuard(_options.StallTimeout, cancellationToken);
            return await TranslatedAsync<Stream>(name, writing: false, guard, async () =>
            {
                Meter.Read();
                GetObjectResponse response = await _client.GetObjectAsync(new GetObjectRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version }, guard.Token).ConfigureAwait(false);
                return new ObjectReadStream(this, name, response);
            }).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (_versioned)
        {
            List<S3ObjectVersion> versions = await VersionsAsync(name, cancellationToken).ConfigureAwait(false);
            return versions.FindLast(v => v.IsDeleteMarker != true) is S3ObjectVersion first ? Describe(name, first) : null;
        }
        try
        {
            GetObjectMetadataResponse head = await HeadAsync(name, null, cancellationToken).ConfigureAwait(false);
            return new StoredObject(name, head.ContentLength, Utc(head.LastModified));
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
        {
            // The answer to a HEAD cannot say whether the object or the whole bucket is missing; gone must not look like empty.
            ListObjectsV2Response list = await SendAsync(name, writing: false, Meter.List, t => _client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = Key(name), MaxKeys = 1 }, t), cancellationToken).ConfigureAwait(false);
            return (list.S3Objects ?? []).Find(o => o.Key == Key(name)) is S3Object found ? new StoredObject(name, found.Size ?? 0, Utc(found.LastModified)) : null;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.RequirePrefix(prefix);
        cancellationToken.ThrowIfCancellationRequested();
        string last = "";
        await foreach (StoredObject item in (_versioned ? ListFirstVersionsAsync(prefix, after, cancellationToken) : ListCurrentAsync(prefix, after, cancellationToken)).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (string.CompareOrdinal(last, item.Name) >= 0)
                throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, $"The server lists '{item.Name}' behind '{last}', so its lists cannot be trusted to be complete.", Location, "Use a server that lists keys in the order of their bytes, as S3 demands.");
            last = item.Name;
            // Ceph lists versions from the marker's key on, S3 from behind it.
            if (after is null || string.CompareOrdinal(item.Name, after) > 0) yield return item;
        }
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (!_versioned)
        {
            await DeleteVersionAsync(name, null, cancellationToken).ConfigureAwait(false);
            return;
        }
        // Newest first: until the last request, the first version stands, so that an interrupted deletion leaves the object as it was.
        foreach (S3ObjectVersion version in await VersionsAsync(name, cancellationToken).ConfigureAwait(false))
            await DeleteVersionAsync(name, version.VersionId, cancellationToken).ConfigureAwait(false);
        _firstVersions.Forget(name);
    }

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken) => cancellationToken.IsCancellationRequested ? Task.FromCanceled(cancellationToken) : Task.CompletedTask;

    /// <summary>Does nothing: a put is one request, which a server keeps whole or not at all.</summary>
    /// <inheritdoc/>
    public Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) => cancellationToken.IsCancellationRequested ? Task.FromCanceled<int>(cancellationToken) : Task.FromResult(0);

    /// <inheritdoc/>
    public async Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken)
    {
        GetObjectMetadataResponse head = await HeadFirstAsync(name, cancellationToken).ConfigureAwait(false);
        return RetainUntil(head);
    }

    /// <inheritdoc/>
    public async Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        if (_options.LockMode is null)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported, $"'{Location}' was opened without immutability, so it sets no locks.", Location, "Open it with a lock mode.");
        DateTime wanted = WholeSecond(retainUntilUtc);
        return await AtFirstVersionAsync(name, version => LockAsync(name, version, wanted, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public TimeSpan UsualThawTime => _options.StorageClass is null or "DEEP_ARCHIVE" ? TimeSpan.FromHours(12) : TimeSpan.FromHours(5);

    /// <inheritdoc/>
    public async Task<ThawState> GetThawStateAsync(string name, CancellationToken cancellationToken)
    {
        GetObjectMetadataResponse head = await HeadFirstAsync(name, cancellationToken).ConfigureAwait(false);
        if (head.RestoreInProgress == true) return ThawState.Thawing;
        // GLACIER_IR is read at once in spite of its name. A thawed copy shows when it ends.
        bool archived = head.StorageClass?.Value is "GLACIER" or "DEEP_ARCHIVE" || head.ArchiveStatus?.Value is { Length: > 0 };
        return archived && head.RestoreExpiration is null ? ThawState.Archived : ThawState.Readable;
    }

    /// <inheritdoc/>
    public async Task RequestThawAsync(string name, int days, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        if (days < 1) throw new ArgumentOutOfRangeException(nameof(days));
        await AtFirstVersionAsync(name, async version =>
        {
            var request = new RestoreObjectRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version, Days = days };
            try
            {
                return await SendAsync(name, writing: true, () => Meter.Put(0), t => _client.RestoreObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException error) when (error.InnerException is AmazonServiceException { ErrorCode: "RestoreAlreadyInProgress" })
            {
                return null;
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<StorePlacement> GetPlacementAsync(CancellationToken cancellationToken)
    {
        string? host = _options.Endpoint?.Host;
        return Task.FromResult(new StorePlacement { HostName = host ?? "AWS", IsThisMachine = host is not null && FolderPlacement.IsThisMachine(host) });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client.Dispose();
        _http.Dispose();
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var list = new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = _options.KeyPrefix, MaxKeys = 1 };
        ListObjectsV2Response answer = await SendAsync(null, writing: false, Meter.List, t => _client.ListObjectsV2Async(list, t), cancellationToken).ConfigureAwait(false);
        RequireOwnList(answer.Name);
        _connected = true;
        _versioned = await IsVersionedAsync(cancellationToken).ConfigureAwait(false);
        if (_options.LockMode is not null) await RequireObjectLockAsync(cancellationToken).ConfigureAwait(false);
        _conditional = !_versioned && (_options.Endpoint is null || await HonoursConditionsAsync(cancellationToken).ConfigureAwait(false));
    }

    // The SDK reads any page of XML, a proxy's or a portal's, as an empty list; a real one names its bucket.
    private void RequireOwnList(string? bucket)
    {
        if (bucket != _options.Bucket) throw S3Errors.Foreign(_options, _options.Endpoint?.Authority ?? "AWS", "its list does not name the bucket", null);
    }

    private async Task<bool> IsVersionedAsync(CancellationToken cancellationToken)
    {
        try
        {
            GetBucketVersioningResponse versioning = await SendAsync(null, writing: false, Meter.Stat, t => _client.GetBucketVersioningAsync(_options.Bucket, t), cancellationToken).ConfigureAwait(false);
            // A suspended bucket still holds the versions of before.
            return versioning.VersioningConfig?.Status?.Value is "Enabled" or "Suspended";
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { ErrorCode: "NotImplemented" })
        {
            return false;
        }
    }

    private async Task RequireObjectLockAsync(CancellationToken cancellationToken)
    {
        ObjectLockConfiguration? configuration = null;
        try
        {
            var request = new GetObjectLockConfigurationRequest { BucketName = _options.Bucket };
            configuration = (await SendAsync(null, writing: false, Meter.Stat, t => _client.GetObjectLockConfigurationAsync(request, t), cancellationToken).ConfigureAwait(false)).ObjectLockConfiguration;
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { ErrorCode: "ObjectLockConfigurationNotFoundError" or "InvalidRequest" or "NotImplemented" or "NoSuchObjectLockConfiguration" or "InvalidBucketState" })
        {
            // Said below, in the product's words.
        }
        if (configuration?.ObjectLockEnabled?.Value != "Enabled" || !_versioned)
            throw new NataliaException(ErrorIds.BucketWithoutObjectLock, NataliaErrorKind.NotSupported, $"The bucket '{_options.Bucket}' was made without object lock, so nothing in it can be made immutable.", Location,
                "Make a bucket with object lock and use that one; most servers cannot add it to an existing bucket.");
        DefaultRetention? retention = configuration.Rule?.DefaultRetention;
        if (retention is not null) DefaultRetentionDays = retention.Days is int days and > 0 ? days : retention.Years is int years and > 0 ? years * 365 : null;
    }

    // Some servers ignore the condition and answer 200: two writers would both believe that they hold a lease.
    private async Task<bool> HonoursConditionsAsync(CancellationToken cancellationToken)
    {
        // Begins with a dot, so it is never listed as an object.
        string key = _options.KeyPrefix + ".probe-" + Guid.NewGuid().ToString("n");
        PutObjectRequest Request() => new() { BucketName = _options.Bucket, Key = key, IfNoneMatch = "*", InputStream = new MemoryStream([1]), MD5Digest = Md5([1]), UseChunkEncoding = false };
        try
        {
            await SendAsync(null, writing: true, () => Meter.Put(1), t => _client.PutObjectAsync(Request(), t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied || error.InnerException is AmazonServiceException { ErrorCode: "NotImplemented" })
        {
            // Who may only read needs no exclusive create.
            return false;
        }
        try
        {
            await SendAsync(null, writing: true, () => Meter.Put(1), t => _client.PutObjectAsync(Request(), t), cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed })
        {
            return true;
        }
        finally
        {
            await SendAsync(null, writing: true, Meter.Delete, t => _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = _options.Bucket, Key = key }, t), CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Sends a put; the answer is null when the name is taken.</summary>
    private async Task<PutObjectResponse?> SendPutAsync(string name, ObjectContent content, PutOptions options, DateTime? until, CancellationToken cancellationToken)
    {
        // Over plain http the signature covers a SHA-256 of the body, which the server verifies. Over TLS the body is not signed, so that a core is spared, and the MD5 guards it; a put with a lock needs one by the protocol.
        bool isPlain = _options.Endpoint?.Scheme == "http";
        byte[]? md5 = isPlain && until is null ? null : await Task.Run(() => Md5Of(content, cancellationToken), cancellationToken).ConfigureAwait(false);
        using var guard = new StallGuard(_options.StallTimeout, cancellationToken);
        using var body = new ContentStream(content, guard.Touch);
        var request = new PutObjectRequest
        {
            BucketName = _options.Bucket,
            Key = Key(name),
            InputStream = body,
            AutoCloseStream = false,
            MD5Digest = md5 is null ? null : Convert.ToBase64String(md5),
            ContentType = "application/octet-stream",
            // Chunked signing would leave a Content-Encoding behind that other readers then see.
            UseChunkEncoding = false,
            DisablePayloadSigning = !isPlain,
        };
        if (_conditional) request.IfNoneMatch = "*";
        if (options.Class == ObjectClass.Data && _options.StorageClass is string storageClass) request.StorageClass = S3StorageClass.FindValue(storageClass);
        if (until is DateTime date)
        {
            request.ObjectLockMode = SdkMode(_options.LockMode!.Value);
            request.ObjectLockRetainUntilDate = date;
        }
        try
        {
            return await TranslatedAsync(name, writing: true, guard, () =>
            {
                Meter.Put(content.Length);
                return _client.PutObjectAsync(request, guard.Token);
            }).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed })
        {
            return null;
        }
        catch (Exception error) when (_versioned && error is NataliaException or OperationCanceledException)
        {
            _unclear[name] = true;
            throw;
        }
    }

    private async Task<bool> HoldsAsync(string name, ObjectContent content, CancellationToken cancellationToken)
    {
        byte[] md5 = await Task.Run(() => Md5Of(content, cancellationToken), cancellationToken).ConfigureAwait(false);
        GetObjectMetadataResponse head = await HeadAsync(name, null, cancellationToken).ConfigureAwait(false);
        if (head.ContentLength != content.Length) return false;
        string tag = head.ETag?.Trim('"') ?? "";
        if (tag.Equals(Hex.ToString(md5), StringComparison.OrdinalIgnoreCase)) return true;
        // Of an object that the server encrypts, the tag is no MD5: then only the bytes tell.
        using Stream there = await OpenReadAsync(name, cancellationToken).ConfigureAwait(false);
        using MD5 hash = MD5.Create();
        byte[] buffer = new byte[128 << 10];
        for (int count; (count = await there.ReadAsync(buffer, 0, buffer.Length, cancellationToken).ConfigureAwait(false)) > 0;) hash.TransformBlock(buffer, 0, count, null, 0);
        hash.TransformFinalBlock([], 0, 0);
        return hash.Hash.AsSpan().SequenceEqual(md5);
    }

    private async Task RequireLockAsync(string name, string? version, DateTime wanted, CancellationToken cancellationToken)
    {
        GetObjectMetadataResponse head = await HeadAsync(name, version, cancellationToken).ConfigureAwait(false);
        // Where the put's headers had no effect, a request of its own may have.
        if (!IsLocked(head, wanted)) await LockAsync(name, version, wanted, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sets a lock and reads it back.</summary>
    private async Task<DateTime> LockAsync(string name, string? version, DateTime wanted, CancellationToken cancellationToken)
    {
        async Task<NataliaException?> TryAsync(LockMode mode)
        {
            var request = new PutObjectRetentionRequest
            {
                BucketName = _options.Bucket,
                Key = Key(name),
                VersionId = version,
                Retention = new ObjectLockRetention { Mode = mode == LockMode.Compliance ? ObjectLockRetentionMode.Compliance : ObjectLockRetentionMode.Governance, RetainUntilDate = wanted },
            };
            try
            {
                await SendAsync(name, writing: true, Meter.Lock, t => _client.PutObjectRetentionAsync(request, t), cancellationToken).ConfigureAwait(false);
                return null;
            }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied)
            {
                // Refused either for want of rights, or because the lock is stronger already: reading it tells.
                return error;
            }
        }

        NataliaException? refusal = await TryAsync(_options.LockMode!.Value).ConfigureAwait(false);
        GetObjectMetadataResponse head = await HeadAsync(name, version, cancellationToken).ConfigureAwait(false);
        if (refusal is not null && !IsLocked(head, wanted) && head.ObjectLockMode?.Value == "COMPLIANCE" && _options.LockMode == LockMode.Governance)
        {
            refusal = await TryAsync(LockMode.Compliance).ConfigureAwait(false);
            head = await HeadAsync(name, version, cancellationToken).ConfigureAwait(false);
        }
        if (IsLocked(head, wanted)) return RetainUntil(head)!.Value;
        throw refusal ?? new NataliaException(ErrorIds.ObjectNotLocked, NataliaErrorKind.Security,
            $"The server took the lock of '{name}' until {wanted.ToString("u", CultureInfo.InvariantCulture)}, but reports {(RetainUntil(head) is DateTime until ? "a lock until " + until.ToString("u", CultureInfo.InvariantCulture) : "no lock")}.", $"{Location}/{name}",
            "Give the account the right to read object retention. If it has that right, the server does not lock: do not rely on it for immutability.");
    }

    private bool IsLocked(GetObjectMetadataResponse head, DateTime wanted) =>
        RetainUntil(head) >= wanted && (head.ObjectLockMode?.Value == "COMPLIANCE" || _options.LockMode == LockMode.Governance);

    private async Task DeleteVersionAsync(string name, string? version, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version };
        try
        {
            await SendAsync(name, writing: true, Meter.Delete, t => _client.DeleteObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
        {
            // Somebody else deleted it.
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied && version is not null)
        {
            if (await LockOfAsync(name, version, cancellationToken).ConfigureAwait(false) is not string until) throw;
            throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied, $"The object '{name}' is locked {until}.", $"{Location}/{name}", "It can be deleted when the lock has ended.", error);
        }
    }

    private async Task<string?> LockOfAsync(string name, string version, CancellationToken cancellationToken)
    {
        try
        {
            GetObjectMetadataResponse head = await HeadAsync(name, version, cancellationToken).ConfigureAwait(false);
            if (head.ObjectLockLegalHoldStatus?.Value == "ON") return "by a legal hold";
            return RetainUntil(head) is DateTime until && until > _clock.GetUtcNow().UtcDateTime.AddMinutes(-15) ? "until " + until.ToString("u", CultureInfo.InvariantCulture) : null;
        }
        catch (NataliaException error) when (error.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.ObjectNotFound or ErrorIds.StoreReadFailed)
        {
            // Not even readable (a delete marker, a missing right): the refusal itself is what is known.
            return null;
        }
    }

    private async Task<GetObjectMetadataResponse> HeadFirstAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        return await AtFirstVersionAsync(name, version => HeadAsync(name, version, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private Task<GetObjectMetadataResponse> HeadAsync(string name, string? version, CancellationToken cancellationToken)
    {
        var request = new GetObjectMetadataRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version };
        return SendAsync(name, writing: false, Meter.Stat, t => _client.GetObjectMetadataAsync(request, t), cancellationToken);
    }

    /// <summary>Does something with the version of an object that counts; with null on a plain bucket. What was remembered and turns out wrong is asked for once more.</summary>
    private async Task<T> AtFirstVersionAsync<T>(string name, Func<string?, Task<T>> work, CancellationToken cancellationToken)
    {
        if (!_versioned) return await work(null).ConfigureAwait(false);
        if (_firstVersions.Find(name) is string known)
        {
            try
            {
                return await work(known).ConfigureAwait(false);
            }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Another machine deleted it.
                _firstVersions.Forget(name);
            }
        }
        List<S3ObjectVersion> versions = await VersionsAsync(name, cancellationToken).ConfigureAwait(false);
        if (versions.FindLast(v => v.IsDeleteMarker != true) is not S3ObjectVersion first) throw NotFound(name);
        return await work(first.VersionId).ConfigureAwait(false);
    }

    /// <summary>All versions and delete markers of one key, newest first, as the server orders them.</summary>
    private async Task<List<S3ObjectVersion>> VersionsAsync(string name, CancellationToken cancellationToken)
    {
        var found = new List<S3ObjectVersion>();
        // Other keys that begin with the name come behind it, so that a short page is mostly all.
        var request = new ListVersionsRequest { BucketName = _options.Bucket, Prefix = Key(name), MaxKeys = 10 };
        while (true)
        {
            ListVersionsResponse page = await SendAsync(name, writing: false, Meter.List, t => _client.ListVersionsAsync(request, t), cancellationToken).ConfigureAwait(false);
            RequireOwnList(page.Name);
            List<S3ObjectVersion> versions = page.Versions ?? [];
            found.AddRange(versions.Where(v => v.Key == Key(name)));
            if (page.IsTruncated != true || versions.Exists(v => v.Key != Key(name))) return found;
            request.KeyMarker = page.NextKeyMarker;
            request.VersionIdMarker = page.NextVersionIdMarker;
            request.MaxKeys = 1000;
        }
    }

    private async IAsyncEnumerable<StoredObject> ListFirstVersionsAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListVersionsRequest { BucketName = _options.Bucket, Prefix = Key(prefix), KeyMarker = after is null ? null : Key(after) };
        S3ObjectVersion? first = null;
        while (true)
        {
            ListVersionsResponse page = await SendAsync(null, writing: false, Meter.List, t => _client.ListVersionsAsync(request, t), cancellationToken).ConfigureAwait(false);
            RequireOwnList(page.Name);
            foreach (S3ObjectVersion version in page.Versions ?? [])
            {
                // Newest first within a key, across pages too: the last one before the next key is the first version.
                if (first is not null && first.Key != version.Key && NameOf(first.Key) is string name)
                {
                    _firstVersions.Add(name, first.VersionId);
                    yield return Describe(name, first);
                    first = null;
                }
                if (version.IsDeleteMarker != true) first = version;
                else if (first is not null && first.Key != version.Key) first = null;
            }
            if (page.IsTruncated != true) break;
            request.KeyMarker = page.NextKeyMarker;
            request.VersionIdMarker = page.NextVersionIdMarker;
        }
        if (first is not null && NameOf(first.Key) is string last)
        {
            _firstVersions.Add(last, first.VersionId);
            yield return Describe(last, first);
        }
    }

    private async IAsyncEnumerable<StoredObject> ListCurrentAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = Key(prefix), StartAfter = after is null ? null : Key(after) };
        while (true)
        {
            ListObjectsV2Response page = await SendAsync(null, writing: false, Meter.List, t => _client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
            RequireOwnList(page.Name);
            foreach (S3Object item in page.S3Objects ?? [])
                if (NameOf(item.Key) is string name) yield return new StoredObject(name, item.Size ?? 0, Utc(item.LastModified)) { MayNeedThaw = MayNeedThaw(item.StorageClass?.Value) };
            if (page.IsTruncated != true) yield break;
            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    private async Task<T> SendAsync<T>(string? name, bool writing, Action count, Func<CancellationToken, Task<T>> send, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var guard = new StallGuard(_options.StallTimeout, cancellationToken);
        return await TranslatedAsync(name, writing, guard, () =>
        {
            count();
            return send(guard.Token);
        }).ConfigureAwait(false);
    }

    internal async Task<T> TranslatedAsync<T>(string? name, bool writing, StallGuard guard, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception error) when (guard.HasStalled && error is not NataliaException)
        {
            throw S3Errors.Stalled(_options, name, error);
        }
        catch (Exception error) when (guard.Token.IsCancellationRequested && error is not (OperationCanceledException or NataliaException))
        {
            // A cancelled request can end as a broken connection; the caller asked for a cancellation.
            throw new OperationCanceledException(error.Message, error, guard.Token);
        }
        catch (Exception error) when (S3Errors.IsRequestTrouble(error))
        {
            throw S3Errors.Translate(error, _options, name, writing, _connected);
        }
    }

    internal TimeSpan StallTimeout => _options.StallTimeout;

    private string Key(string name) => _options.KeyPrefix + name;

    /// <summary>The name of a key, or null when the key is not an object of a repository: probes and what others put there.</summary>
    private string? NameOf(string key)
    {
        string name = key.Substring(_options.KeyPrefix.Length);
        return Engine.Storage.ObjectName.IsValid(name) ? name : null;
    }

    private static StoredObject Describe(string name, S3ObjectVersion version) => new(name, version.Size ?? 0, Utc(version.LastModified)) { MayNeedThaw = MayNeedThaw(version.StorageClass?.Value) };

    // What GLACIER_IR holds is read at once in spite of its name; of INTELLIGENT_TIERING only the object itself can tell.
    private static bool MayNeedThaw(string? storageClass) => storageClass is "GLACIER" or "DEEP_ARCHIVE" or "INTELLIGENT_TIERING";

    private NataliaException NotFound(string name) => new(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{name}' in '{Location}'.", name);

    private NataliaException Exists(string name) => new(ErrorIds.ObjectExists, NataliaErrorKind.AlreadyExists, $"An object '{name}' exists already in '{Location}'.", name);

    private static DateTime? RetainUntil(GetObjectMetadataResponse head) => head.ObjectLockMode is null || head.ObjectLockRetainUntilDate is not DateTime until || until.Year < 2000 ? null : Utc(until);

    private static DateTime Utc(DateTime? time) => time is DateTime known ? known.ToUniversalTime() : throw new AmazonUnmarshallingException("", "LastModified", new FormatException("A date is missing."));

    // Servers keep whole seconds; rounding up never locks shorter than asked.
    private static DateTime WholeSecond(DateTime time)
    {
        DateTime utc = time.ToUniversalTime();
        long rest = utc.Ticks % TimeSpan.TicksPerSecond;
        return rest == 0 ? utc : utc.AddTicks(TimeSpan.TicksPerSecond - rest);
    }

    private static Amazon.S3.ObjectLockMode SdkMode(LockMode mode) => mode == LockMode.Compliance ? Amazon.S3.ObjectLockMode.Compliance : Amazon.S3.ObjectLockMode.Governance;

#pragma warning disable CA5351 // Content-MD5 is what the protocol has; it guards against damage on the way, not against malice.
    private static string Md5(byte[] bytes)
    {
        using MD5 hash = MD5.Create();
        return Convert.ToBase64String(hash.ComputeHash(bytes));
    }

    private static byte[] Md5Of(ObjectContent content, CancellationToken cancellationToken)
    {
        const int step = 1 << 20;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        foreach (ReadOnlyMemory<byte> part in content.Parts)
        {
            for (int at = 0; at < part.Length; at += step)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadOnlyMemory<byte> piece = part.Slice(at, Math.Min(step, part.Length - at));
#if NET8_0_OR_GREATER
                hash.AppendData(piece.Span);
#else
                byte[] bytes = piece.ToArray();
                hash.AppendData(bytes, 0, bytes.Length);
#endif
            }
        }
        return hash.GetHashAndReset();
    }
#pragma warning restore CA5351
}
