using System.Net;
using System.Runtime.CompilerServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Network;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using LockMode = Natalia.Backup.Engine.Storage.ObjectLockMode;

namespace Natalia.Backup.Storage.S3;

/// <summary>A repository's objects in a bucket: AWS, Wasabi, MinIO, Ceph and what else speaks S3.</summary>
/// <remarks>
/// <para><b>Versioned buckets</b> (all with object lock) never forget: a later put shadows an object and a delete
/// marker hides it. This store therefore lists versions, reads and deletes by version id, takes the <i>first</i>
/// version of a key as the object, and ignores delete markers: whoever may write into the bucket can neither replace
/// nor hide what is there. Such a bucket has no exclusive create.</para>
/// <para><b>Plain buckets</b>, and those whose versioning is suspended, get conditional puts. Whether the server
/// honours them is tried before the first put, except on AWS: who only reads writes nothing.</para>
/// <para><b>Locks</b> are read back after every put that asks for one: servers exist that answer 200 and lock nothing.
/// No multipart upload is used, because there the lock is most often lost; a put is one request.</para>
/// <para><b>Integrity.</b> Each put carries a Content-MD5 that the server verifies, over plain http a signed SHA-256
/// too, and the tag in its answer is compared. The repository's own hashes guard the rest.</para>
/// <para><b>Hosts.</b> No redirect is followed: requests carry the access key's name, and go to the endpoint
/// alone.</para>
/// <para>Does not retry: wrap it in a <see cref="RetryStore"/>. Never lifts or bypasses a lock.</para>
/// </remarks>
public sealed class S3Store : IObjectStore, IObjectArchive, ILockReader, IMeteredStore, IPlacedStore
{
    private const long LargestPut = 5L << 30;

    private readonly S3Requests _requests;
    private readonly S3Bucket _bucket;
    private readonly S3Versions _versions;
    private readonly S3Lists _lists;
    private readonly S3Conditions _conditions;
    private readonly S3Proof _proof;
    private readonly S3Locks _locks;
    private readonly S3Archive _archive;
    private readonly string? _storageClass;

    private S3Store(S3Requests requests, S3Bucket bucket)
    {
        _requests = requests;
        _bucket = bucket;
        _versions = new S3Versions(requests, bucket.IsVersioned);
        _lists = new S3Lists(requests, _versions);
        _conditions = new S3Conditions(requests, bucket);
        _proof = new S3Proof(requests);
        _storageClass = requests.Options.StorageClass;
        _locks = new S3Locks(requests, _versions, requests.Options.LockMode);
        _archive = new S3Archive(requests, _versions, _storageClass);
    }

    private S3Store(S3Store other, LockMode? lockMode, string? storageClass)
    {
        (_requests, _bucket, _versions, _lists, _conditions, _proof) = (other._requests, other._bucket, other._versions,
            other._lists, other._conditions, other._proof);
        _storageClass = storageClass;
        _locks = new S3Locks(_requests, _versions, lockMode);
        _archive = new S3Archive(_requests, _versions, storageClass);
    }

    /// <summary>Connects to a bucket and finds out what it can do. Leaves nothing there.</summary>
    /// <param name="options">Which bucket, and how.</param>
    /// <param name="clock">The clock; null takes the system's.</param>
    /// <exception cref="NataliaException"><c>StoreSettingInvalid</c>, <c>StoreCredentialInvalid</c>,
    /// <c>StoreRedirected</c>, <c>ProxyAuthenticationFailed</c>, <c>BucketNotFound</c>, <c>BucketRegionWrong</c>,
    /// <c>BucketWithoutObjectLock</c>, <c>StoreCredentialRefused</c>, <c>StoreCredentialMissing</c>,
    /// <c>StoreClockSkewed</c>, <c>StoreCertificateRefused</c>,
    /// <c>StoreEndpointNotFound</c>, <c>StoreEndpointInvalid</c>, <c>StoreAccessDenied</c>, <c>StoreUnavailable</c>,
    /// <c>StoreThrottled</c>.</exception>
    /// <exception cref="ArgumentException">An option cannot be meant.</exception>
    public static async Task<S3Store> OpenAsync(S3StoreOptions options, CancellationToken cancellationToken,
        TimeProvider? clock = null)
    {
        var requests = new S3Requests(options, clock ?? TimeProvider.System);
        try
        {
            S3Bucket bucket = await S3Bucket.ConnectAsync(requests, cancellationToken).ConfigureAwait(false);
            if (options.LockMode is not null) bucket.RequireLocks();
            return new S3Store(requests, bucket);
        }
        catch
        {
            requests.Dispose();
            throw;
        }
    }

    /// <summary>The same bucket by the same connection, for a repository that says only when it is read how strong its
    /// locks are and which class its packs lie in.</summary>
    /// <param name="lockMode">How strong locks are to be; null sets none.</param>
    /// <param name="storageClass">The storage class of packs; null for the bucket's default.</param>
    /// <returns>What takes the place of this store, which is not to be used or disposed any more.</returns>
    /// <exception cref="NataliaException"><c>BucketWithoutObjectLock</c>; <c>StoreAccessDenied</c> when the bucket does
    /// not tell whether it has object lock.</exception>
    public S3Store With(LockMode? lockMode, string? storageClass)
    {
        if (lockMode is not null) _bucket.RequireLocks();
        return new S3Store(this, lockMode, storageClass);
    }

    /// <inheritdoc/>
    public string Location => _requests.Location;

    /// <inheritdoc/>
    public string Kind => "S3";

    /// <inheritdoc/>
    /// <remarks>Before the first put it is what is to be expected; after it, what was found.</remarks>
    public bool HasExclusiveCreate => _conditions.AreHonoured is null or true;

    /// <summary>
    /// True when the bucket keeps old versions, so that space comes back only when every version of an object is
    /// deleted. This store does that.
    /// </summary>
    public bool IsVersioned => _versions.AreKept;

    /// <summary>
    /// How many days the bucket itself locks every new object, leases and probes included; null when it does not.
    /// </summary>
    public int? DefaultRetentionDays => _bucket.DefaultRetentionDays;

    /// <summary>Where requests name the bucket, after it was found out.</summary>
    public S3AddressingStyle AddressingStyle => _requests.AddressingStyle;

    /// <inheritdoc/>
    public StoreMeter Meter => _requests.Meter;

    /// <inheritdoc/>
    public IObjectLock? ObjectLock => _locks.AreSet ? _locks : null;

    /// <inheritdoc/>
    /// <remarks>Only a versioned bucket can lock.</remarks>
    public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
        _versions.AreKept ? _locks.GetRetainUntilAsync(name, cancellationToken) : Task.FromResult<DateTime?>(null);

    /// <inheritdoc/>
    public async Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        _locks.RequireAsked(options.RetainUntilUtc);
        if (content.Length > LargestPut)
            throw new NataliaException(ErrorIds.StoreWriteFailed, NataliaErrorKind.LimitExceeded,
                $"The object '{name}' of {content.Length} bytes is larger than the 5 GiB that one request may carry.",
                name);
        await _conditions.EnsureKnownAsync(cancellationToken).ConfigureAwait(false);
        if (options.MustNotExist && _conditions.AreHonoured is not true
            && await StatAsync(name, cancellationToken).ConfigureAwait(false) is not null)
            throw Exists(name);

        DateTime? until = options.RetainUntilUtc is DateTime asked ? S3Locks.WholeSecond(asked) : null;
        PutObjectResponse? response = await SendPutAsync(name, content, options, until,
            cancellationToken).ConfigureAwait(false);
        string? version = response?.VersionId;
        if (response is null)
        {
            // The name is taken. The same put again, after an answer that did not arrive, is no error.
            if (options.MustNotExist) throw Exists(name);
            byte[] md5 = await S3Md5.OfAsync(content, cancellationToken).ConfigureAwait(false);
            if (!await _proof.HoldsAsync(name, null, content.Length, md5, cancellationToken).ConfigureAwait(false))
                throw Exists(name);
        }
        else if (_versions.AreKept && version is not null)
            version = await _versions.NoteAsync(name, version, options, cancellationToken).ConfigureAwait(false);
        if (until is DateTime wanted)
            await _locks.RequireAsync(name, version, wanted, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        if (offset < 0) throw new ArgumentOutOfRangeException(nameof(offset));
        cancellationToken.ThrowIfCancellationRequested();
        if (buffer.Length == 0)
            return await StatAsync(name, cancellationToken).ConfigureAwait(false) is null
                ? throw _requests.NotFound(name) : 0;
        return await _versions.AtFirstAsync(name, version =>
            _requests.ReadAsync(name, version, offset, buffer, cancellationToken),
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        return await _versions.AtFirstAsync(name, version => _requests.OpenReadAsync(name, version, cancellationToken),
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (_versions.AreKept)
            return await _versions.FindAsync(name, cancellationToken).ConfigureAwait(false) is S3ObjectVersion first
                ? _lists.Describe(name, first) : null;
        try
        {
            GetObjectMetadataResponse head = await _requests.HeadAsync(name, null,
                cancellationToken).ConfigureAwait(false);
            return new StoredObject(name, head.ContentLength, _requests.Utc(head.LastModified));
        }
        catch (NataliaException error) when (error.ErrorId is ErrorIds.ObjectNotFound or ErrorIds.StoreAccessDenied)
        {
            // The answer to a HEAD cannot say whether the object or the whole bucket is missing; gone must not look
            // like empty.
            return await _lists.FindAsync(name, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.RequirePrefix(prefix);
        cancellationToken.ThrowIfCancellationRequested();
        string last = "";
        await foreach (StoredObject item in _lists.ListAsync(prefix, after, cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (string.CompareOrdinal(last, item.Name) >= 0)
                throw _requests.WrongList($"lists '{item.Name}' behind '{last}', so its lists cannot be trusted to be "
                    + $"complete", "Use a server that lists keys once and in the order of their bytes, as S3 demands.");
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
        if (!_versions.AreKept)
        {
            await DeleteVersionAsync(name, null, cancellationToken).ConfigureAwait(false);
            return;
        }
        // Newest first: until the last request, the first version stands, so that an interrupted deletion leaves the
        // object as it was.
        foreach (S3ObjectVersion version in await _versions.ListAsync(name, cancellationToken).ConfigureAwait(false))
            await DeleteVersionAsync(name, version.VersionId, cancellationToken).ConfigureAwait(false);
        _versions.Forget(name);
    }

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested ? Task.FromCanceled(cancellationToken) : Task.CompletedTask;

    /// <summary>Does nothing: a put is one request, which a server keeps whole or not at all.</summary>
    /// <inheritdoc/>
    public Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested ? Task.FromCanceled<int>(cancellationToken) : Task.FromResult(0);

    /// <inheritdoc/>
    public bool HoldsNewPacks => _archive.HoldsNewPacks;

    /// <inheritdoc/>
    public TimeSpan UsualThawTime => _archive.UsualThawTime;

    /// <inheritdoc/>
    public Task<ThawState> GetThawStateAsync(string name, CancellationToken cancellationToken) =>
        _archive.GetThawStateAsync(name, cancellationToken);

    /// <inheritdoc/>
    public Task RequestThawAsync(string name, int days, CancellationToken cancellationToken) =>
        _archive.RequestThawAsync(name, days, cancellationToken);

    /// <inheritdoc/>
    public Task<StorePlacement> GetPlacementAsync(CancellationToken cancellationToken)
    {
        string? host = _requests.Options.Endpoint?.Host;
        return Task.FromResult(new StorePlacement
        {
            HostName = host ?? "AWS",
            IsThisMachine = host is not null
            && ThisMachine.Is(host)
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _requests.Dispose();
        _conditions.Dispose();
    }

    /// <summary>Sends a put; the answer is null when the name is taken.</summary>
    private async Task<PutObjectResponse?> SendPutAsync(string name, ObjectContent content, PutOptions options,
        DateTime? until, CancellationToken cancellationToken)
    {
        // Over plain http the signature covers a SHA-256 of the body, too. Over TLS the body is not signed, so that a
        // core is spared, and the MD5 guards it; a put with a lock, the bucket's own included, needs one by the
        // protocol.
        bool isPlain = _requests.Options.Endpoint?.Scheme == "http";
        byte[] md5 = await S3Md5.OfAsync(content, cancellationToken).ConfigureAwait(false);
        using StallGuard guard = _requests.Guard(cancellationToken);
        using var body = new ContentStream(content, guard, new SlowGuard(_requests.Clock));
        var request = new PutObjectRequest
        {
            BucketName = _requests.Bucket,
            Key = _requests.Key(name),
            InputStream = body,
            AutoCloseStream = false,
            MD5Digest = Convert.ToBase64String(md5),
            ContentType = "application/octet-stream",
            // Chunked signing would leave a Content-Encoding behind that other readers then see.
            UseChunkEncoding = false,
            DisablePayloadSigning = !isPlain,
        };
        if (HasExclusiveCreate) request.IfNoneMatch = "*";
        if (options.Class == ObjectClass.Data && _storageClass is not null)
            request.StorageClass = S3StorageClass.FindValue(_storageClass);
        if (until is DateTime date) _locks.Ask(request, date);
        try
        {
            PutObjectResponse response = await _requests.TranslatedAsync(name, until is null ? S3Call.Put
                : S3Call.PutLocked, guard, () =>
            {
                Meter.Put(content.Length);
                return _requests.Client.PutObjectAsync(request, guard.Token);
            }).ConfigureAwait(false);
            await _proof.RequireStoredAsync(name, content.Length, md5, response,
                cancellationToken).ConfigureAwait(false);
            return response;
        }
        catch (NataliaException error)
            when (error.InnerException is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed })
        {
            return null;
        }
        catch (Exception error) when (error is NataliaException or OperationCanceledException)
        {
            _versions.Doubt(name);
            throw;
        }
    }

    private async Task DeleteVersionAsync(string name, string? version, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest
        {
            BucketName = _requests.Bucket,
            Key = _requests.Key(name),
            VersionId = version
        };
        try
        {
            await _requests.SendAsync(name, version is null ? S3Call.Delete : S3Call.DeleteVersion, Meter.Delete, t =>
                _requests.Client.DeleteObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
        {
            // Somebody else deleted it.
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied && version is not null)
        {
            if (await _locks.DescribeAsync(name, version, cancellationToken).ConfigureAwait(false) is not string until)
                throw;
            throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied,
                $"The object '{name}' is locked {until}.", $"{Location}/{name}",
                "It can be deleted when the lock has ended.", error);
        }
    }

    private NataliaException Exists(string name) =>
        new(ErrorIds.ObjectExists, NataliaErrorKind.AlreadyExists,
            $"An object '{name}' exists already in '{Location}'.", name);
}
