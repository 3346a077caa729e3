using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>One line to one bucket: sends requests, guards each against standing still, counts them, and says what went
/// wrong in the product's words. Knows nothing of versions, locks and classes. Thread-safe.</summary>
internal sealed class S3Requests : IDisposable
{
    private readonly S3HttpClients _http;

    internal S3Requests(S3StoreOptions options, TimeProvider clock)
    {
        byte[]? thumbprint = S3Clients.Validate(options);
        Options = options;
        Clock = clock;
        _http = new S3HttpClients(options, thumbprint);
        Client = S3Clients.Create(options, _http, out S3EndpointProvider? provider);
        Provider = provider;
        Route = S3Route.To(options, null, _http.Proxy);
    }

    internal S3StoreOptions Options { get; }
    internal IAmazonS3 Client { get; }
    internal TimeProvider Clock { get; }
    internal StoreMeter Meter { get; } = new();
    internal string Bucket => Options.Bucket;
    internal string Location => Options.Location;

    /// <summary>Tells the client where the bucket is; null at AWS, where the SDK knows it.</summary>
    internal S3EndpointProvider? Provider { get; }

    /// <summary>The way that requests take.</summary>
    internal S3Route Route { get; private set; }

    /// <summary>Where requests name the bucket, after it was found out.</summary>
    internal S3AddressingStyle AddressingStyle { get; set; }

    /// <summary>The bucket has answered well before.</summary>
    internal bool IsConnected { get; set; }

    /// <summary>Sends requests to an address from here on.</summary>
    internal void Take(S3Address address)
    {
        Provider!.Address = address;
        Route = S3Route.To(Options, address, _http.Proxy);
        AddressingStyle = address.Style;
    }

    /// <param name="name">The object concerned, or null.</param>
    /// <param name="call">What is asked.</param>
    /// <param name="count">Counts it.</param>
    /// <param name="send">Sends it.</param>
    internal async Task<T> SendAsync<T>(string? name, S3Call call, Action count, Func<CancellationToken, Task<T>> send,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using StallGuard guard = Guard(cancellationToken);
        return await TranslatedAsync(name, call, guard, () =>
        {
            count();
            return send(guard.Token);
        }).ConfigureAwait(false);
    }

    internal StallGuard Guard(CancellationToken cancellationToken) =>
        new(Options.StallTimeout, Clock, cancellationToken);

    internal async Task<T> TranslatedAsync<T>(string? name, S3Call call, StallGuard guard, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception error) when (guard.HasStalled && error is not NataliaException)
        {
            throw S3Errors.Stalled(Options, Route, name, error);
        }
        catch (Exception error)
            when (guard.Token.IsCancellationRequested && error is not (OperationCanceledException or NataliaException))
        {
            // A cancelled request can end as a broken connection; the caller asked for a cancellation.
            throw new OperationCanceledException(error.Message, error, guard.Token);
        }
        catch (Exception error) when (S3Errors.IsRequestTrouble(error)
            || error is OperationCanceledException && !guard.Token.IsCancellationRequested)
        {
            // A cancellation that nobody here asked for is the network's way to say that something took too long.
            throw S3Errors.Translate(error, Options, Route, name, call, IsConnected);
        }
    }

    internal Task<GetObjectMetadataResponse> HeadAsync(string name, string? version,
        CancellationToken cancellationToken)
    {
        var request = new GetObjectMetadataRequest { BucketName = Bucket, Key = Key(name), VersionId = version };
        return SendAsync(name, version is null ? S3Call.Get : S3Call.GetVersion, Meter.Stat, t =>
            Client.GetObjectMetadataAsync(request, t), cancellationToken);
    }

    /// <summary>Fills a buffer from a range of a version.</summary>
    internal async Task<int> ReadAsync(string name, string? version, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        using StallGuard guard = Guard(cancellationToken);
        return await TranslatedAsync(name, version is null ? S3Call.Get : S3Call.GetVersion, guard, async () =>
        {
            GetObjectResponse response;
            try
            {
                Meter.Read();
                var request = new GetObjectRequest
                {
                    BucketName = Bucket,
                    Key = Key(name),
                    VersionId = version,
                    ByteRange = new ByteRange(offset, offset + buffer.Length - 1)
                };
                response = await Client.GetObjectAsync(request, guard.Token).ConfigureAwait(false);
            }
            catch (AmazonS3Exception error) when (error.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
            {
                return 0;
            }
            using (response)
            {
                // A server that does not know ranges answers with the whole object.
                if (offset > 0 && response.HttpStatusCode != HttpStatusCode.PartialContent)
                    throw Wrong(name, $"Asked for the bytes of '{name}' from {offset} on, {Route.Server} answers with "
                        + $"the whole object.");
                using var body = new ResponseStream(response.ResponseStream, guard, new SlowGuard(Clock), Meter);
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
    }

    /// <summary>Opens a version for reading as a whole.</summary>
    internal async Task<Stream> OpenReadAsync(string name, string? version, CancellationToken cancellationToken)
    {
        using StallGuard guard = Guard(cancellationToken);
        return await TranslatedAsync<Stream>(name, version is null ? S3Call.Get : S3Call.GetVersion, guard, async () =>
        {
            Meter.Read();
            var request = new GetObjectRequest { BucketName = Bucket, Key = Key(name), VersionId = version };
            return new ObjectReadStream(this, name,
                await Client.GetObjectAsync(request, guard.Token).ConfigureAwait(false));
        }).ConfigureAwait(false);
    }

    internal string Key(string name) => Options.KeyPrefix + name;

    /// <summary>The name of a key, or null when the key is not an object of a repository: probes and what others put
    /// there.</summary>
    internal string? NameOf(string key)
    {
        string name = key.Substring(Options.KeyPrefix.Length);
        return Engine.Storage.ObjectName.IsValid(name) ? name : null;
    }

    // The SDK reads any page of XML, a proxy's or a portal's, as an empty list; a real one names its bucket.
    internal void RequireOwnList(string? bucket)
    {
        if (bucket != Bucket) throw S3Errors.Foreign(Options, Route.Server, "its list does not name the bucket", null);
    }

    internal DateTime Utc(DateTime? time) => time is DateTime known ? known.ToUniversalTime()
        : throw Wrong(null, $"{Route.Server} tells of an object without its time.");

    internal NataliaException Wrong(string? name, string what, string? advice = null) =>
        S3Errors.Wrong(Options, Route, name, what, advice);

    internal NataliaException WrongList(string what, string? advice = null) =>
        Wrong(null, $"The server {Route.Server} {DisplayText.CleanLine(what)}.", advice);

    internal NataliaException NotFound(string name) =>
        new(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound, $"There is no object '{name}' in '{Location}'.", name);

    public void Dispose()
    {
        Client.Dispose();
        _http.Dispose();
    }
}
