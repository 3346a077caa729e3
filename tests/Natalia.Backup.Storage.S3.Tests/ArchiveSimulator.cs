using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// A SIMULATOR of a bucket with archive classes, on loopback: an S3 server in memory that says what AWS documents of
/// GLACIER, DEEP_ARCHIVE and the archive tiers of INTELLIGENT_TIERING. No server that can be installed here has them,
/// so what a test against it shows is that the product speaks the documented protocol, not that AWS behaves so.
/// Unversioned; checks no signatures.
/// </summary>
public sealed class ArchiveSimulator : IDisposable
{
    public const string Bucket = "archive";

    private readonly HttpListener _listener = new();
    private readonly SortedDictionary<string, Item> _items = new(StringComparer.Ordinal);
    private readonly List<string> _log = [];

    private sealed record Item(byte[] Bytes, string Class, DateTime PutUtc)
    {
        internal bool IsThawing { get; set; }
        internal int ThawedDays { get; set; }
        internal bool IsInArchiveTier { get; set; }
        internal bool IsCold => IsInArchiveTier
            || Class is "GLACIER" or "DEEP_ARCHIVE" && (ThawedDays == 0 || IsThawing);
    }

    public ArchiveSimulator()
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}");
        }
        _listener.Prefixes.Add(Endpoint.AbsoluteUri);
        _listener.Start();
        _ = ServeAsync();
    }

    public Uri Endpoint { get; }

    /// <summary>Every request so far: METHOD and key of an object; LOOK, VERSIONING or LIST and the prefix of the
    /// bucket.</summary>
    public string[] Log
    {
        get { lock (_items) return [.. _log]; }
    }

    /// <summary>Keys with their storage classes.</summary>
    public Dictionary<string, string> Classes
    {
        get { lock (_items) return _items.ToDictionary(i => i.Key, i => i.Value.Class); }
    }

    /// <summary>The hours pass: what was asked for can be read.</summary>
    public void FinishThaws(int count = int.MaxValue)
    {
        lock (_items)
            foreach (Item item in _items.Values.Where(i => i.IsThawing).Take(count))
                item.IsThawing = item.IsInArchiveTier = false;
    }

    /// <summary>Months pass without a look: what lies in INTELLIGENT_TIERING is archived.</summary>
    public void ArchiveUnused()
    {
        lock (_items)
            foreach (Item item in _items.Values.Where(i => i.Class == "INTELLIGENT_TIERING"))
                item.IsInArchiveTier = true;
    }

    /// <summary>Objects are encrypted with a managed key, so that their tags are no MD5s.</summary>
    public bool Encrypts { get; set; }

    /// <summary>Keys that contain this are stored by the next put, and its answer is lost; null for none.</summary>
    public string? LosesAnswerOf { get; set; }

    /// <summary>The days pass: the readable copies are gone.</summary>
    public void EndThaws()
    {
        lock (_items)
            foreach (Item item in _items.Values) item.ThawedDays = 0;
    }

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception error)
                when (error is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }
            _ = Task.Run(() => AnswerAsync(context));
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        HttpListenerRequest request = context.Request;
        using var body = new MemoryStream();
        await request.InputStream.CopyToAsync(body);
        string path = Uri.UnescapeDataString(request.Url!.AbsolutePath).TrimStart('/');
        string key = path.Length > Bucket.Length ? path[(Bucket.Length + 1)..] : "";
        (int status, byte[] answer) = (500, []);
        bool isLost = false;
        lock (_items)
        {
            if (request.HttpMethod == "PUT" && LosesAnswerOf is string part && key.Contains(part))
                (isLost, LosesAnswerOf) = (true, null);
            _log.Add(Describe(request, key));
            (status, answer) = key.Length == 0
                ? AnswerBucket(request)
                : AnswerObject(request, context.Response, key, body.ToArray());
            // It is stored, and whoever stored it hears of a fault of the server.
            if (isLost) (status, answer) = Error(500, "InternalError");
        }
        try
        {
            context.Response.StatusCode = status;
            context.Response.Headers["x-amz-request-id"] = "1";
            if (request.HttpMethod != "HEAD")
            {
                context.Response.ContentLength64 = answer.Length;
                await context.Response.OutputStream.WriteAsync(answer);
            }
            context.Response.Close();
        }
        catch (Exception error)
            when (error is HttpListenerException or IOException or ObjectDisposedException
                or InvalidOperationException)
        { }
    }

    private static string Describe(HttpListenerRequest request, string key) => key.Length > 0
        ? $"{request.HttpMethod} {key}{(request.Url!.Query.Contains("restore") ? "?restore" : "")}"
        : request.Url!.Query.Contains("versioning") ? "VERSIONING" : request.Url.Query.Contains("max-keys=1")
            && string.IsNullOrEmpty(request.QueryString["prefix"]) ? "LOOK" : "LIST " + request.QueryString["prefix"];

    private (int, byte[]) AnswerBucket(HttpListenerRequest request)
    {
        if (request.Url!.Query.Contains("versioning")) return (200, "<VersioningConfiguration/>"u8.ToArray());
        string prefix = request.QueryString["prefix"] ?? "", after = request.QueryString["start-after"] ?? "";
        var list = new StringBuilder($"<ListBucketResult><Name>{Bucket}</Name><IsTruncated>false</IsTruncated>");
        foreach ((string key, Item item) in _items
            .Where(i => i.Key.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(i.Key, after) > 0))
            list.Append($"<Contents><Key>{key}</Key><LastModified>"
                + $"{item.PutUtc:yyyy-MM-ddTHH:mm:ss.fffZ}</LastModified><Size>"
                + $"{item.Bytes.Length}</Size><StorageClass>{item.Class}</StorageClass></Contents>");
        return (200, Encoding.UTF8.GetBytes(list.Append("</ListBucketResult>").ToString()));
    }

    private (int, byte[]) AnswerObject(HttpListenerRequest request, HttpListenerResponse response, string key,
        byte[] body)
    {
        _items.TryGetValue(key, out Item? item);
        switch (request.HttpMethod)
        {
            case "PUT":
                if (item is not null && request.Headers["If-None-Match"] == "*")
                    return Error(412, "PreconditionFailed");
                _items[key] = new Item(body, request.Headers["x-amz-storage-class"] ?? "STANDARD", DateTime.UtcNow);
                Tag(response, body);
                return (200, []);
            case "DELETE":
                _items.Remove(key);
                return (204, []);
        }
        if (item is null) return Error(404, "NoSuchKey");
        if (request.HttpMethod == "POST" && item.IsInArchiveTier)
        {
            if (item.IsThawing) return Error(409, "RestoreAlreadyInProgress");
            if (Encoding.UTF8.GetString(body).Contains("<Days>")) return Error(400, "InvalidRequest");
            item.IsThawing = true;
            return (202, []);
        }
        if (request.HttpMethod == "POST")
        {
            if (item.Class is not ("GLACIER" or "DEEP_ARCHIVE")) return Error(403, "InvalidObjectState");
            if (item.IsThawing) return Error(409, "RestoreAlreadyInProgress");
            string text = Encoding.UTF8.GetString(body);
            bool first = item.ThawedDays == 0;
            item.ThawedDays = int.Parse(text.Split("<Days>")[1].Split('<')[0]);
            item.IsThawing = first;
            return (first ? 202 : 200, []);
        }
        response.Headers["Last-Modified"] = item.PutUtc.ToString("R");
        Tag(response, item.Bytes);
        if (item.IsInArchiveTier)
        {
            response.Headers["x-amz-archive-status"] = "ARCHIVE_ACCESS";
            if (item.IsThawing) response.Headers["x-amz-restore"] = "ongoing-request=\"true\"";
        }
        if (item.Class != "STANDARD") response.Headers["x-amz-storage-class"] = item.Class;
        if (item.ThawedDays > 0)
            response.Headers["x-amz-restore"] = item.IsThawing
                ? "ongoing-request=\"true\""
                : $"ongoing-request=\"false\", expiry-date=\"{DateTime.UtcNow.AddDays(item.ThawedDays):R}\"";
        if (request.HttpMethod == "HEAD")
        {
            response.ContentLength64 = item.Bytes.Length;
            return (200, []);
        }
        if (item.IsCold) return Error(403, "InvalidObjectState");
        if (request.Headers["Range"] is not string range) return (200, item.Bytes);
        string[] ends = range.Split('=')[1].Split('-');
        long start = long.Parse(ends[0]), end = Math.Min(long.Parse(ends[1]), item.Bytes.Length - 1);
        return start >= item.Bytes.Length ? Error(416, "InvalidRange") : (206, item.Bytes[(int)start..((int)end + 1)]);
    }

    private void Tag(HttpListenerResponse response, byte[] bytes)
    {
        byte[] tagged = Encrypts ? [.. bytes, 1] : bytes;
        response.Headers["ETag"] = $"\"{Convert.ToHexStringLower(MD5.HashData(tagged))}\"";
        if (!Encrypts) return;
        response.Headers["x-amz-server-side-encryption"] = "aws:kms";
        response.Headers["x-amz-server-side-encryption-aws-kms-key-id"] = "arn:aws:kms:eu-west-3:1:key/1";
    }

    private static (int, byte[]) Error(int status, string code) =>
        (status,
            Encoding.UTF8.GetBytes(
                $"<Error><Code>{code}</Code><Message>said by the simulator</Message><RequestId>1</RequestId></Error>"));
}
