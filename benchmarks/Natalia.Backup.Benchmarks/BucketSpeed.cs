using System.Globalization;
using System.Net;
using System.Text.Json;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Amazon.S3.Transfer;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// A full and a restore over S3 against what the SDK's own TransferUtility moves of as many bytes, and a restore of a
/// fragmented point with a delay against one without; by turns, medians.
/// </summary>
internal static class BucketSpeed
{
    private const int PackBytes = 32 << 20, Streams = 4, Versions = 8;

    /// <param name="args">The disk image, the server's address, access key and secret key; then <c>--folder</c>,
    /// <c>--rounds</c>, <c>--size</c> in MiB, <c>--delay</c> in milliseconds, <c>--json</c>.</param>
    internal static async Task<int> RunAsync(string[] args)
    {
        (string disk, string endpoint, string access, string secret) = (args[0], args[1], args[2], args[3]);
        Dictionary<string, string> options = args.Skip(4).Chunk(2).ToDictionary(o => o[0], o => o[1]);
        int rounds = Number("--rounds", 3);
        var delay = TimeSpan.FromMilliseconds(Number("--delay", 20));
        string place = Path.Combine(options.GetValueOrDefault("--folder", Path.GetTempPath()),
            "natalia-bucket-" + Environment.ProcessId);
        Directory.CreateDirectory(place);
        var figures = new Dictionary<string, List<double>>();
        try
        {
            using var client = new AmazonS3Client(new BasicAWSCredentials(access, secret), new AmazonS3Config
            {
                ServiceURL = endpoint,
                ForcePathStyle = true,
                UseHttp = true,
                AuthenticationRegion = "us-east-1",
                RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
                ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            });
            using RawDiskSource image = RawDiskSource.Open(disk);
            IReadOnlyList<Extent> runs = await Primitives.CutAsync(image, (long)Number("--size", 512) << 20);
            // The first round is for the compiler.
            for (int round = 0; round <= rounds; round++)
            {
                string bucket = $"speed-{Environment.ProcessId}-{round}";
                await client.PutBucketAsync(new PutBucketRequest { BucketName = bucket });
                var now = new Dictionary<string, double>();
                await RoundAsync(client, new S3StoreOptions
                {
                    Bucket = bucket,
                    Endpoint = new Uri(endpoint),
                    Region = "us-east-1",
                    AccessKey = access,
                    SecretKey = new NetworkCredential("", secret).SecurePassword,
                }, image, runs, place, delay, now);
                await EmptyAsync(client, bucket);
                foreach ((string name, double value) in now)
                {
                    if (!figures.TryGetValue(name, out List<double>? all)) figures[name] = all = [];
                    if (round > 0) all.Add(value);
                }
            }
        }
        finally
        {
            Directory.Delete(place, recursive: true);
        }
        Dictionary<string, double> medians = figures.ToDictionary(f => f.Key, f => Median.Of(f.Value));
        foreach ((string name, double value) in medians)
            Console.WriteLine(string.Format(CultureInfo.InvariantCulture, "{0,-44} {1,8:0.00}", name, value));
        Console.WriteLine("goals: x TransferUtility >= 0.80, or not slower than the primitives (with the server on "
            + "this machine, than both together); x without delay <= 1.33");
        if (options.TryGetValue("--json", out string? json))
            await File.WriteAllTextAsync(json, JsonSerializer.Serialize(medians));
        return 0;

        int Number(string name, int otherwise) =>
            options.TryGetValue(name, out string? text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
    }

    private static async Task RoundAsync(AmazonS3Client client, S3StoreOptions options, RawDiskSource image,
        IReadOnlyList<Extent> runs, string place, TimeSpan delay, Dictionary<string, double> figures)
    {
        using (var loops = new PrimitiveLoops(image, runs, place))
        {
            figures["primitives of a full, s"] = loops.Full().Computing;
            figures["primitives of a restore, s"] = loops.Restore().Computing;
        }
        RestorePoint point = null!;
        double full = await TimeAsync(async () =>
            point = await BackupAsync(options, create: true, new FragmentedDisk(image, runs, 0)));
        var sizes = new List<int>();
        for (long left = point.StoredBytes ?? 0; left > 0; left -= PackBytes)
            sizes.Add((int)Math.Min(left, PackBytes));
        double upload, download;
        using (var utility = new TransferUtility(client,
            new TransferUtilityConfig { ConcurrentServiceRequests = Streams }))
        {
            var bytes = new byte[PackBytes];
            new Random(1).NextBytes(bytes);
            upload = await TimeAsync(() => EachAsync(sizes.Count, i => utility.UploadAsync(
                new TransferUtilityUploadRequest
                {
                    BucketName = options.Bucket,
                    Key = $"transfer/{i}",
                    InputStream = new MemoryStream(bytes, 0, sizes[i], writable: false),
                })));
            download = await TimeAsync(() => EachAsync(sizes.Count, async i =>
            {
                using Stream stream = await utility.OpenStreamAsync(options.Bucket, $"transfer/{i}");
                var buffer = new byte[128 << 10];
                while (await stream.ReadAsync(buffer) > 0) { }
            }));
        }
        double restore = await RestoreAsync(options, point, place, TimeSpan.Zero);
        figures["stored, MiB"] = (point.StoredBytes ?? 0) / 1048576.0;
        figures["full, s"] = full;
        figures["the same bytes by TransferUtility, s"] = upload;
        figures["full, x TransferUtility"] = upload / full;
        figures["full, x its primitives"] = full / figures["primitives of a full, s"];
        // Server and client share this machine's processors, so both take theirs one after the other.
        figures["full, x primitives and transfer together"] =
            full / (figures["primitives of a full, s"] + upload);
        figures["restore, s"] = restore;
        figures["the same bytes back by TransferUtility, s"] = download;
        figures["restore, x TransferUtility"] = download / restore;
        figures["restore, x its primitives"] = restore / figures["primitives of a restore, s"];
        figures["restore, x primitives and transfer together"] =
            restore / (figures["primitives of a restore, s"] + download);
        for (int version = 1; version <= Versions; version++)
            point = await BackupAsync(options, create: false, new FragmentedDisk(image, runs, version));
        double near = await RestoreAsync(options, point, place, TimeSpan.Zero);
        double far = await RestoreAsync(options, point, place, delay);
        figures["restore of a fragmented point, s"] = near;
        figures[$"the same, {delay.TotalMilliseconds} ms behind every request, s"] = far;
        figures["x without delay"] = far / near;
    }

    private static async Task<RestorePoint> BackupAsync(S3StoreOptions options, bool create, FragmentedDisk disk)
    {
        using Repository repository = await OpenAsync(options, create, TimeSpan.Zero);
        return await repository.BackupAsync(new BackupRequest
        {
            Appliance = Workplace.Appliance,
            Disks = [new BackupDisk("data", DiskRole.Data, disk)],
            RequestedType = RequestedBackupType.Auto,
            TimeUtc = DateTime.UtcNow,
        }, null, null, default);
    }

    private static async Task<double> RestoreAsync(S3StoreOptions options, RestorePoint point, string place,
        TimeSpan delay)
    {
        string path = Path.Combine(place, "restored.raw");
        using Repository repository = await OpenAsync(options, create: false, delay);
        try
        {
            return await TimeAsync(async () =>
            {
                using IDiskTarget target = DiskImages.Create(DiskFormat.Raw, path, overwrite: false);
                await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(null, target, null, default);
            });
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static async Task<Repository> OpenAsync(S3StoreOptions options, bool create, TimeSpan delay)
    {
        IObjectStore store = await S3Store.OpenAsync(options, default);
        if (delay > TimeSpan.Zero) store = new DelayStore(store, delay);
        var opening = new RepositoryOptions { Label = "bucket", LockDirectory = null, PasswordCost = 2 };
        using RepositoryPassword password =
            RepositoryPassword.From(new NetworkCredential("", "benchmark").SecurePassword);
        return create
            ? await Repository.CreateAsync(store, password, opening, default)
            : await Repository.OpenAsync(store, password, opening, default);
    }

    private static Task EachAsync(int count, Func<int, Task> work) => Parallel.ForEachAsync(Enumerable.Range(0, count),
        new ParallelOptions { MaxDegreeOfParallelism = Streams }, async (i, _) => await work(i));

    private static async Task<double> TimeAsync(Func<Task> what)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        await what();
        return System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task EmptyAsync(AmazonS3Client client, string bucket)
    {
        await foreach (S3Object found in client.Paginators.ListObjectsV2(
            new ListObjectsV2Request { BucketName = bucket }).S3Objects)
            await client.DeleteObjectAsync(bucket, found.Key);
    }
}
