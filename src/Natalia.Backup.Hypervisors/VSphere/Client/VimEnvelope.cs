using System.Text;
using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Writes calls and reads answers. What a server sends is bounded in size and depth, and has no DTD.</summary>
internal static class VimEnvelope
{
    /// <summary>The longest answer, in bytes. The property collector is asked for pages far below it.</summary>
    internal const int MaximumLength = 64 << 20;
    private const int MaximumDepth = 200;

    private static readonly XNamespace s_soap = "http://schemas.xmlsoap.org/soap/envelope/";

    internal static byte[] Write(VimReference target, string method, IEnumerable<XElement?> arguments)
    {
        var body = new XElement(VimXml.Vim + method, VimXml.Reference("_this", target), arguments);
        var envelope = new XElement(s_soap + "Envelope",
            new XAttribute(XNamespace.Xmlns + "soapenv", s_soap.NamespaceName),
            new XAttribute(XNamespace.Xmlns + "xsi", VimXml.Instance.NamespaceName),
            new XElement(s_soap + "Body", body));
        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(false), CheckCharacters = true };
        using var bytes = new MemoryStream();
        using (var writer = XmlWriter.Create(bytes, settings)) envelope.WriteTo(writer);
        return bytes.ToArray();
    }

    /// <summary>The first child of the body: the response, or a fault.</summary>
    /// <exception cref="XmlException">It is no envelope, or goes beyond the bounds.</exception>
    internal static XElement Read(byte[] bytes) =>
        ReadDocument(bytes).Member("Body")?.Elements().FirstOrDefault()
            ?? throw new XmlException("There is no SOAP envelope with a body.");

    /// <summary>The root of a document.</summary>
    /// <exception cref="XmlException">It is none, or goes beyond the bounds.</exception>
    internal static XElement ReadDocument(byte[] bytes)
    {
        // First whether it is nested like an attack: the tree of such a document ends a process.
        using (XmlReader probe = Open(bytes))
            while (probe.Read())
                if (probe.Depth > MaximumDepth) throw new XmlException("It is nested too deeply.");
        using XmlReader reader = Open(bytes);
        return XElement.Load(reader);
    }

    internal static bool IsFault(XElement body) => body.Name == s_soap + "Fault";

    private static XmlReader Open(byte[] bytes) => XmlReader.Create(new MemoryStream(bytes, false),
        new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            IgnoreComments = true,
            IgnoreProcessingInstructions = true,
            IgnoreWhitespace = true,
            MaxCharactersInDocument = MaximumLength,
        });

    /// <summary>Reads an answer to its end, within the bound.</summary>
    /// <exception cref="NataliaException"><c>ServerAnswerInvalid</c>.</exception>
    internal static async Task<byte[]> ReadBoundedAsync(HttpContent content, string host, int limit,
        CancellationToken cancellationToken)
    {
#if NET8_0_OR_GREATER
        using Stream stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
#else
        using Stream stream = await content.ReadAsStreamAsync().ConfigureAwait(false);
#endif
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[81920];
        int count;
        while ((count = await stream.ReadAsync(buffer, 0, buffer.Length, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (bytes.Length + count > limit)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"'{host}' answered with more than {limit >> 20} MiB.", host,
                    "Check host and port: this is not what a vCenter or an ESXi host sends.");
            bytes.Write(buffer, 0, count);
        }
        return bytes.ToArray();
    }
}
