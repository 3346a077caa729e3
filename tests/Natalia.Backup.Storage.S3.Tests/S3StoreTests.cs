using System.Reflection;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

public sealed class S3StoreTests
{
    private static CancellationToken None => CancellationToken.None;

    private static async Task<List<string>> NamesAsync(IObjectStore store)
    {
        var names = new List<string>();
        await foreach (StoredObject item in store.ListAsync("", None)) names.Add(item.Name);
        return names;
    }

    [CephFact]
    public async Task Writes_nothing_into_the_bucket_when_it_is_opened()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        Assert.Equal((0, 0), (store.Meter.Usage.Puts, store.Meter.Usage.Deletes));
        await store.PutAsync("a", new ObjectContent(new byte[1]), PutOptions.Metadata, None);
        await store.DeleteAsync("a", None);
        Assert.True(store.HasExclusiveCreate);
        Assert.False(store.IsVersioned);
        Assert.Empty((await CephServer.Running.Admin.ListObjectsV2Async(new() { BucketName = bucket })).S3Objects
            ?? []);
    }

    [CephFact]
    public async Task Keeps_repositories_under_different_prefixes_apart()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store a = await S3Store.OpenAsync(TestOptions.For(bucket) with { Prefix = "a" }, None);
        using S3Store ab = await S3Store.OpenAsync(TestOptions.For(bucket) with { Prefix = "ab/" }, None);
        using S3Store root = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        await a.PutAsync("x", new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, None);
        await ab.PutAsync("y", new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, None);
        Assert.Equal(["x"], await NamesAsync(a));
        Assert.Equal(["y"], await NamesAsync(ab));
        Assert.Equal(["a/x", "ab/y"], await NamesAsync(root));
        Assert.Equal(($"s3://{bucket}/a", $"s3://{bucket}/ab", $"s3://{bucket}"),
            (a.Location, ab.Location, root.Location));
    }

    [CephFact]
    public async Task Stores_bytes_as_every_other_reader_sees_them()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        byte[] bytes = ObjectStoreConformance.Bytes(3 << 20);
        await store.PutAsync("data/1", new ObjectContent(bytes.AsMemory(0, 1 << 20), bytes.AsMemory(1 << 20)),
            PutOptions.Data, None);
        using Amazon.S3.Model.GetObjectResponse seen = await CephServer.Running.Admin.GetObjectAsync(bucket, "data/1");
        Assert.True(string.IsNullOrEmpty(seen.Headers.ContentEncoding));
        Assert.Equal("application/octet-stream", seen.Headers.ContentType);
        using var all = new MemoryStream();
        await seen.ResponseStream.CopyToAsync(all);
        Assert.Equal(bytes, all.ToArray());
    }

    [CephFact]
    public async Task Needs_one_request_for_a_put_a_read_and_a_deletion_on_a_plain_bucket()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        // Before the first one it is tried whether conditions are honoured.
        await store.PutAsync("first", new ObjectContent(new byte[1]), PutOptions.Metadata, None);
        StoreUsage before = store.Meter.Usage;
        await store.PutAsync("a", new ObjectContent(new byte[50]), PutOptions.Metadata, None);
        await store.ReadAsync("a", 10, new byte[100], None);
        await store.StatAsync("a", None);
        await store.DeleteAsync("a", None);
        Assert.Equal(new StoreUsage
        {
            Puts = 1,
            Reads = 1,
            Stats = 1,
            Deletes = 1,
            BytesWritten = 50,
            BytesRead = 40,
        }, store.Meter.Usage - before);
        using var counted = new CountingStore(new RetryStore(store));
        Assert.Same(store.Meter, counted.Meter);
    }

    [CephFact]
    public async Task Finds_a_version_once_and_remembers_it()
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
        using (S3Store writer = await S3Store.OpenAsync(TestOptions.For(bucket), None))
        {
            await writer.PutAsync("a/1", new ObjectContent(new byte[50]), PutOptions.Data, None);
            StoreUsage own = writer.Meter.Usage;
            await writer.ReadAsync("a/1", 0, new byte[10], None);
            Assert.Equal(1, (writer.Meter.Usage - own).Requests);
            await writer.PutAsync("a/2", new ObjectContent(new byte[50]), PutOptions.Data, None);
        }
        using S3Store reader = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        Assert.True(reader.IsVersioned);
        Assert.Equal(["a/1", "a/2"], await NamesAsync(reader));
        StoreUsage before = reader.Meter.Usage;
        for (int i = 0; i < 5; i++) await reader.ReadAsync("a/2", i, new byte[1], None);
        Assert.Equal(5, (reader.Meter.Usage - before).Requests);
    }

    [Fact]
    public void Shows_no_type_of_the_SDK()
    {
        const BindingFlags visible =
            BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        IEnumerable<Type> types = typeof(S3Store).Assembly.GetExportedTypes();
        IEnumerable<Type> shown = types
            .SelectMany(t => t.GetMethods(visible)
                .SelectMany(m => m.GetParameters().Select(p => p.ParameterType).Append(m.ReturnType))
            .Concat(t.GetConstructors(visible).SelectMany(c => c.GetParameters().Select(p => p.ParameterType)))
            .Concat(t.GetProperties(visible).Select(p => p.PropertyType)).Concat(t.GetInterfaces())
            .Append(t.BaseType ?? typeof(object)));
        static bool IsSdk(Type t) =>
            t.Namespace?.StartsWith("Amazon", StringComparison.Ordinal) == true
            || (t.IsGenericType && t.GetGenericArguments().Any(IsSdk))
            || (t.HasElementType && IsSdk(t.GetElementType()!));
        Assert.DoesNotContain(shown, IsSdk);
    }
}
