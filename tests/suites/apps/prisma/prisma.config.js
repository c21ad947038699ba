module.exports = { schema: 'prisma/schema.prisma' };
