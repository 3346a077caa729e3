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
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;
using LockMode = Natalia.Backup.Engine.Storage.ObjectLockMode;

namespace Natalia.Backup.Storage.S3;

/// <summary>A repository's objects in a bucket: AWS, Wasabi, MinIO, Ceph and what else speaks S3.</summary>
/// <remarks>
/// <para><b>Versioned buckets</b> (all with object lock) never forget: a later put shadows an object and a delete marker hides it. This store therefore lists versions, reads and deletes by version id, takes the <i>first</i>
/// version of a key as the object, and ignores delete markers: whoever may write into the bucket can neither replace nor hide what is there. Such a bucket has no exclusive create.</para>
/// <para><b>Plain buckets</b> get conditional puts. Whether the server honours them is tried before the first put, except on AWS: who only reads writes nothing.</para>
/// <para><b>Locks</b> are read back after every put that asks for one: servers exist that answer 200 and lock nothing. No multipart upload is used, because there the lock is most often lost; a put is one request.</para>
/// <para><b>Integrity.</b> Each put carries a Content-MD5 that the server verifies, over plain http a signed SHA-256 too, and the tag in its answer is compared. The repository's own hashes guard the rest.</para>
/// <para><b>Hosts.</b> No redirect is followed: requests carry the access key's name, and go to the endpoint alone.</para>
/// <para>Does not retry: wrap it in a <see cref="RetryStore"/>. Never lifts or bypasses a lock.</para>
/// </remarks>
public sealed partial class S3Store : IObjectStore, IObjectLock, IObjectArchive, IMeteredStore, IPlacedStore
{
    private const long LargestPut = 5L << 30;

    private readonly S3StoreOptions _options;
    private readonly IAmazonS3 _client;
    private readonly S3HttpClients _http;
    private readonly S3EndpointProvider? _provider;
    private readonly TimeProvider _clock;
    private readonly FirstVersions _firstVersions = new();
    // Names whose put ended without a clear answer: it may have made a version all the same.
    private readonly ConcurrentDictionary<string, bool> _unclear = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _probing = new(1, 1);
    private bool _connected;
    private bool _versioned;
    // Whether the server honours conditions; null until a put needs to know.
    private volatile object? _honours;
    // This server's tags are no MD5s, or there are none: found out by reading back.
    private volatile bool _tagsAreOther, _hasNoTags;

    private S3Store(S3StoreOptions options, TimeProvider clock)
    {
        byte[]? thumbprint = S3Clients.Validate(options);
        _options = options;
        _clock = clock;
        _http = new S3HttpClients(options, thumbprint);
        _client = S3Clients.Create(options, _http, out _provider);
        _route = S3Route.To(options, null, _http.Proxy);
    }

    /// <summary>Connects to a bucket and finds out what it can do. Leaves nothing there.</summary>
    /// <param name="options">Which bucket, and how.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="clock">The clock; null takes the system's.</param>
    /// <exception cref="NataliaException"><c>StoreSettingInvalid</c>, <c>StoreCredentialInvalid</c>, <c>StoreRedirected</c>, <c>ProxyAuthenticationFailed</c>, <c>BucketNotFound</c>, <c>BucketRegionWrong</c>, <c>BucketWithoutObjectLock</c>, <c>StoreCredentialRefused</c>, <c>StoreCredentialMissing</c>, <c>StoreClockSkewed</c>, <c>StoreCertificateRefused</c>,
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
    /// <remarks>Before the first put it is what is to be expected; after it, what was found.</remarks>
    public bool HasExclusiveCreate => !_versioned && _honours is null or true;

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
        if (!_versioned && _honours is null) await ProbeConditionsAsync(cancellationToken).ConfigureAwait(false);
        if (options.MustNotExist && _honours is not true && await StatAsync(name, cancellationToken).ConfigureAwait(false) is not null) throw Exists(name);

        DateTime? until = options.RetainUntilUtc is DateTime asked ? WholeSecond(asked) : null;
        PutObjectResponse? response = await SendPutAsync(name, content, options, until, cancellationToken).ConfigureAwait(false);
        string? version = response?.VersionId;
        if (response is null)
        {
            // The name is taken. The same put again, after an answer that did not arrive, is no error.
            if (options.MustNotExist || !await HoldsAsync(name, null, content.Length, await HashAsync(content, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false)) throw Exists(name);
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
            using var guard = new StallGuard(_options.StallTimeout, _clock, cancellationToken);
            return await TranslatedAsync(name, version is null ? S3Call.Get : S3Call.GetVersion, guard, async () =>
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
                    // A server that does not know ranges answers with the whole object.
                    if (offset > 0 && response.HttpStatusCode != HttpStatusCode.PartialContent) throw S3Errors.Wrong(_options, _route, name, $"Asked for the bytes of '{name}' from {offset} on, {_route.Server} answers with the whole object.");
                    using var body = new ResponseStream(response.ResponseStream, guard, new SlowGuard(_clock), Meter);
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
        return await AtFirstVersionAsync(name, version => OpenVersionAsync(name, version, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private async Task<Stream> OpenVersionAsync(string name, string? version, CancellationToken cancellationToken)
    {
        using var guard = new StallGuard(_options.StallTimeout, _clock, cancellationToken);
        return await TranslatedAsync<Stream>(name, version is null ? S3Call.Get : S3Call.GetVersion, guard, async () =>
        {
            Meter.Read();
            GetObjectResponse response = await _client.GetObjectAsync(new GetObjectRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version }, guard.Token).ConfigureAwait(false);
            return new ObjectReadStream(this, name, response);
        }).ConfigureAwait(false);
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
        catch (NataliaException error) when (error.ErrorId is ErrorIds.ObjectNotFound or ErrorIds.StoreAccessDenied)
        {
            // The answer to a HEAD cannot say whether the object or the whole bucket is missing; gone must not look like empty.
            return await FindInListAsync(name, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What a list says of one object. It also tells absent from forbidden: without the right to list the whole bucket, S3 answers 403 for both.</summary>
    private async Task<StoredObject?> FindInListAsync(string name, CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = Key(name), MaxKeys = 1 };
        ListObjectsV2Response list = await SendAsync(name, S3Call.List, Meter.List, t => _client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
        RequireOwnList(list.Name);
        return (list.S3Objects ?? []).Find(o => o.Key == Key(name)) is S3Object found ? Describe(name, found.Size, found.LastModified, found.StorageClass?.Value) : null;
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
                throw WrongList($"lists '{item.Name}' behind '{last}', so its lists cannot be trusted to be complete", "Use a server that lists keys once and in the order of their bytes, as S3 demands.");
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
                return await SendAsync(name, S3Call.Thaw, () => Meter.Put(0), t => _client.RestoreObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
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
        _probing.Dispose();
    }

    /// <summary>Sends a put; the answer is null when the name is taken.</summary>
    private async Task<PutObjectResponse?> SendPutAsync(string name, ObjectContent content, PutOptions options, DateTime? until, CancellationToken cancellationToken)
    {
        // Over plain http the signature covers a SHA-256 of the body, too. Over TLS the body is not signed, so that a core is spared, and the MD5 guards it; a put with a lock, the bucket's own included, needs one by the protocol.
        bool isPlain = _options.Endpoint?.Scheme == "http";
        byte[] md5 = await HashAsync(content, cancellationToken).ConfigureAwait(false);
        using var guard = new StallGuard(_options.StallTimeout, _clock, cancellationToken);
        using var body = new ContentStream(content, guard, new SlowGuard(_clock));
        var request = new PutObjectRequest
        {
            BucketName = _options.Bucket,
            Key = Key(name),
            InputStream = body,
            AutoCloseStream = false,
            MD5Digest = Convert.ToBase64String(md5),
            ContentType = "application/octet-stream",
            // Chunked signing would leave a Content-Encoding behind that other readers then see.
            UseChunkEncoding = false,
            DisablePayloadSigning = !isPlain,
        };
        if (HasExclusiveCreate) request.IfNoneMatch = "*";
        if (options.Class == ObjectClass.Data && _options.StorageClass is string storageClass) request.StorageClass = S3StorageClass.FindValue(storageClass);
        if (until is DateTime date)
        {
            request.ObjectLockMode = SdkMode(_options.LockMode!.Value);
            request.ObjectLockRetainUntilDate = date;
        }
        try
        {
            PutObjectResponse response = await TranslatedAsync(name, until is null ? S3Call.Put : S3Call.PutLocked, guard, () =>
            {
                Meter.Put(content.Length);
                return _client.PutObjectAsync(request, guard.Token);
            }).ConfigureAwait(false);
            await RequireStoredAsync(name, content.Length, md5, response, cancellationToken).ConfigureAwait(false);
            return response;
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
                await SendAsync(name, S3Call.Lock, Meter.Lock, t => _client.PutObjectRetentionAsync(request, t), cancellationToken).ConfigureAwait(false);
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
            "Give the key the right s3:GetObjectRetention. If it has that right, the server does not lock: do not rely on it for immutability.");
    }

    private bool IsLocked(GetObjectMetadataResponse head, DateTime wanted) =>
        RetainUntil(head) >= wanted && (head.ObjectLockMode?.Value == "COMPLIANCE" || _options.LockMode == LockMode.Governance);

    private async Task DeleteVersionAsync(string name, string? version, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest { BucketName = _options.Bucket, Key = Key(name), VersionId = version };
        try
        {
            await SendAsync(name, version is null ? S3Call.Delete : S3Call.DeleteVersion, Meter.Delete, t => _client.DeleteObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
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
        return SendAsync(name, version is null ? S3Call.Get : S3Call.GetVersion, Meter.Stat, t => _client.GetObjectMetadataAsync(request, t), cancellationToken);
    }

    /// <summary>Does something with the version of an object that counts; with null on a plain bucket. What was remembered and turns out wrong is asked for once more.</summary>
    private async Task<T> AtFirstVersionAsync<T>(string name, Func<string?, Task<T>> work, CancellationToken cancellationToken)
    {
        if (!_versioned)
        {
            try
            {
                return await work(null).ConfigureAwait(false);
            }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied)
            {
                if (await FindInListAsync(name, cancellationToken).ConfigureAwait(false) is null) throw NotFound(name);
                throw;
            }
        }
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

    private async Task<T> SendAsync<T>(string? name, S3Call call, Action count, Func<CancellationToken, Task<T>> send, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var guard = new StallGuard(_options.StallTimeout, _clock, cancellationToken);
        return await TranslatedAsync(name, call, guard, () =>
        {
            count();
            return send(guard.Token);
        }).ConfigureAwait(false);
    }

    internal async Task<T> TranslatedAsync<T>(string? name, S3Call call, StallGuard guard, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception error) when (guard.HasStalled && error is not NataliaException)
        {
            throw S3Errors.Stalled(_options, _route, name, error);
        }
        catch (Exception error) when (guard.Token.IsCancellationRequested && error is not (OperationCanceledException or NataliaException))
        {
            // A cancelled request can end as a broken connection; the caller asked for a cancellation.
            throw new OperationCanceledException(error.Message, error, guard.Token);
        }
        catch (Exception error) when (S3Errors.IsRequestTrouble(error))
        {
            throw S3Errors.Translate(error, _options, _route, name, call, _connected);
        }
    }

    internal TimeSpan StallTimeout => _options.StallTimeout;

    internal TimeProvider Clock => _clock;

    private string Key(string name) => _options.KeyPrefix + name;

    /// <summary>The name of a key, or null when the key is not an object of a repository: probes and what others put there.</summary>
    private string? NameOf(string key)
    {
        string name = key.Substring(_options.KeyPrefix.Length);
        return Engine.Storage.ObjectName.IsValid(name) ? name : null;
    }

    private StoredObject Describe(string name, S3ObjectVersion version) => Describe(name, version.Size, version.LastModified, version.StorageClass?.Value);

    private StoredObject Describe(string name, long? size, DateTime? modified, string? storageClass) => size is >= 0 && modified is DateTime time
        ? new StoredObject(name, size.Value, time.ToUniversalTime()) { MayNeedThaw = MayNeedThaw(storageClass) }
        : throw WrongList($"lists '{name}' without its size or its time");

    // What GLACIER_IR holds is read at once in spite of its name; of INTELLIGENT_TIERING only the object itself can tell.
    private static bool MayNeedThaw(string? storageClass) => storageClass is "GLACIER" or "DEEP_ARCHIVE" or "INTELLIGENT_TIERING";

    private NataliaException NotFound(string name) => new(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{name}' in '{Location}'.", name);

    private NataliaException Exists(string name) => new(ErrorIds.ObjectExists, NataliaErrorKind.AlreadyExists, $"An object '{name}' exists already in '{Location}'.", name);

    private DateTime? RetainUntil(GetObjectMetadataResponse head) => head.ObjectLockMode is null || head.ObjectLockRetainUntilDate is not DateTime until || until.Year < 2000 ? null : Utc(until);

    private DateTime Utc(DateTime? time) => time is DateTime known ? known.ToUniversalTime() : throw S3Errors.Wrong(_options, _route, null, $"{_route.Server} tells of an object without its time.");

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

    private static Task<byte[]> HashAsync(ObjectContent content, CancellationToken cancellationToken) => Task.Run(() => Md5Of(content, cancellationToken), cancellationToken);

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
